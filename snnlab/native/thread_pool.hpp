// Persistent worker threads, for tasks of microseconds: starting a thread would take longer than such a task.
//
// A worker keeps its number, so that its data stay in the cache of its core. It polls for a new task for a while before
// it sleeps. Each library has one pool, which runs one task at a time and lives as long as the process.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

class ThreadPool {
    using Function = void (*)(const void*, int);

    std::mutex running, sleeping;
    std::condition_variable wake;
    std::atomic<long> round{0}, busy{0};
    Function function = nullptr;
    const void* task = nullptr;
    int active = 0, workers = 0;
    const pid_t process = getpid();

    void work(int number, long seen) {
        for (;;) {
            for (int poll = 0; poll < 2000 && round.load(std::memory_order_acquire) == seen; ++poll)
                if (poll % 16 == 15) std::this_thread::yield();
            if (round.load(std::memory_order_acquire) == seen) {
                std::unique_lock<std::mutex> lock(sleeping);
                wake.wait(lock, [&] { return round.load() != seen; });
            }
            ++seen;  // one round at a time: the next starts after all workers have finished this one
            if (number < active) function(task, number);
            busy.fetch_sub(1, std::memory_order_release);
        }
    }

    void start_workers(int threads) {
        try {
            while (workers < threads - 1) {
                std::thread(&ThreadPool::work, this, workers + 1, round.load()).detach();
                ++workers;
            }
        } catch (const std::system_error&) {  // the caller does the rest
        }
    }

    template <class Task> void run(int threads, const Task& given) {
        std::lock_guard<std::mutex> only(running);
        start_workers(threads);
        task = &given;
        active = std::min(threads, workers + 1);
        function = [](const void* of, int number) { (*static_cast<const Task*>(of))(number); };
        busy.store(workers);
        {
            std::lock_guard<std::mutex> lock(sleeping);
            round.fetch_add(1);
        }
        wake.notify_all();
        given(0);
        for (int number = active; number < threads; ++number) given(number);
        while (busy.load(std::memory_order_acquire)) std::this_thread::yield();
    }

  public:
    // Runs `task(0)` to `task(threads - 1)`, each in its own thread; task(0) in the caller's.
    template <class Task> static void each(int threads, const Task& task) {
        static ThreadPool* pool = new ThreadPool;  // never deleted: its workers may still be polling
        if (pool->process != getpid()) pool = new ThreadPool;  // a forked process has no workers
        if (threads > 1)
            pool->run(threads, task);
        else
            task(0);
    }
};
