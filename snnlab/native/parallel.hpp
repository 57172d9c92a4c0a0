// Independent tasks on several threads. A task's result must not depend on the thread that runs it, nor on the order.
#pragma once
#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

// Runs `work` in `threads` threads at once, the caller's included; in fewer if the system grants no more.
// It must not throw: an exception that leaves a thread ends the process.
template <class Work> void on_threads(long threads, const Work& work) {
    std::vector<std::thread> helpers;
    helpers.reserve(std::max(threads, 1l));
    try {
        for (long k = 1; k < threads; ++k) helpers.emplace_back(work);
    } catch (const std::system_error&) {
    }
    work();
    for (auto& helper : helpers) helper.join();
}

template <class Task> void parallel_for(long tasks, long threads, const Task& task) {
    std::atomic<long> next{0};
    on_threads(std::min(threads, tasks), [&] {
        for (long k = next++; k < tasks; k = next++) task(k);
    });
}
