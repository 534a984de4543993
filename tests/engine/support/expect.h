// What tests of the engine share: values out of results, and failures checked down to their hints.
#pragma once

#include <QtTest/QtTest>

#include <filesystem>
#include <stdexcept>
#include <string>

#include "engine/base/error.h"

namespace flextron::test {

/// The value, or an exception that fails the test with the error's words.
template <class T> T valueOf(Result<T> result)
{
    if (!result) throw std::runtime_error("unexpected failure: " + result.error().message);
    return std::move(result).value();
}

inline void succeed(const Result<void>& result)
{
    if (!result) throw std::runtime_error("unexpected failure: " + result.error().message);
}

inline std::filesystem::path testData()
{
    return FLEXTRON_TEST_DATA;
}

/// Every folder with a model under tests/data.
inline std::vector<std::filesystem::path> modelFolders()
{
    std::vector<std::filesystem::path> folders{testData() / "stories260k-llama", testData() / "stories-gpt2"};
    for (const auto& entry : std::filesystem::directory_iterator(testData() / "golden"))
        folders.push_back(entry.path());
    return folders;
}

} // namespace flextron::test

/// `result` must be a failure of `expected_code` whose message and hint contain the given texts. The hint may not be
/// empty.
#define VERIFY_FAILURE(result, expected_code, message_part, hint_part)                                                 \
    do {                                                                                                               \
        const auto& checked_result = (result);                                                                         \
        QVERIFY2(!checked_result.ok(), "a failure was expected");                                                      \
        const flextron::Error& checked_error = checked_result.error();                                                 \
        const QString told = QString::fromStdString(checked_error.message + "\n  hint: " + checked_error.hint);        \
        QVERIFY2(checked_error.message.find(message_part) != std::string::npos, qPrintable("message: " + told));       \
        QVERIFY2(!checked_error.hint.empty(), qPrintable("hint: " + told));                                            \
        QVERIFY2(checked_error.hint.find(hint_part) != std::string::npos, qPrintable("hint: " + told));                \
        QCOMPARE(static_cast<int>(checked_error.code), static_cast<int>(expected_code));                               \
    } while (false)
