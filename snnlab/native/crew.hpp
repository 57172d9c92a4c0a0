// Helpers that stay, for work of microseconds, in which a thread that is begun anew takes longer than the work.
//
// A helper keeps its number, so that what it works on stays in the cache of its core. It looks for more to do for a
// while before it sleeps. A library has one crew, which does one thing at a time, and ends with the process.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

class Crew {
    using Work = void (*)(const void*, int);

    std::mutex turn, lock;
    std::condition_variable more;
    std::atomic<long> order{0}, busy{0};
    Work work = nullptr;
    const void* task = nullptr;
    int wanted = 0, members = 0;
    const pid_t home = getpid();

    void help(int number, long seen) {
        for (;;) {
            for (int look = 0; look < 2000 && order.load(std::memory_order_acquire) == seen; ++look)
                if (look % 16 == 15) std::this_thread::yield();
            if (order.load(std::memory_order_acquire) == seen) {
                std::unique_lock<std::mutex> held(lock);
                more.wait(held, [&] { return order.load() != seen; });
            }
            ++seen;  // one order at a time: the next waits for all to be done with this one
            if (number < wanted) work(task, number);
            busy.fetch_sub(1, std::memory_order_release);
        }
    }

    void enlist(int threads) {
        try {
            while (members < threads - 1) {
                std::thread(&Crew::help, this, members + 1, order.load()).detach();
                ++members;
            }
        } catch (const std::system_error&) {  // the caller does the rest
        }
    }

    template <class Task> void run(int threads, const Task& given) {
        std::lock_guard<std::mutex> alone(turn);
        enlist(threads);
        task = &given;
        wanted = std::min(threads, members + 1);
        work = [](const void* what, int number) { (*static_cast<const Task*>(what))(number); };
        busy.store(members);
        {
            std::lock_guard<std::mutex> held(lock);
            order.fetch_add(1);
        }
        more.notify_all();
        given(0);
        for (int number = wanted; number < threads; ++number) given(number);
        while (busy.load(std::memory_order_acquire)) std::this_thread::yield();
    }

  public:
    // `task(0)` to `task(threads - 1)`, each by a thread of its own; task(0) by the caller.
    template <class Task> static void each(int threads, const Task& task) {
        static Crew* crew = new Crew;  // never ended: its helpers may still be looking
        if (crew->home != getpid()) crew = new Crew;  // after a fork there are no helpers
        if (threads > 1)
            crew->run(threads, task);
        else
            task(0);
    }
};
