// Independent tasks on several threads. What a task computes must not depend on which thread runs it, or when.
#pragma once
#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

template <class Task> void parallel_for(long tasks, int threads, const Task& task) {
    std::atomic<long> next{0};
    const auto work = [&] {
        for (long k = next++; k < tasks; k = next++) task(k);
    };
    std::vector<std::thread> helpers;
    for (long k = 1; k < std::min<long>(threads, tasks); ++k) {
        try {
            helpers.emplace_back(work);
        } catch (const std::system_error&) {
            break;  // a thread that cannot be had: the others do its work
        }
    }
    work();
    for (auto& helper : helpers) helper.join();
}
