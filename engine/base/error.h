// What went wrong, as a value: the engine's public functions return Result<T> and never throw.
//
// Inside the engine code throws Failure (below) or whatever the libraries throw; guarded() turns it into a Result
// once, at the public border.
#pragma once

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace flextron {

enum class ErrorCode {
    InvalidArgument, ///< the caller asked for something that cannot be: a bad width, an empty prompt
    NotFound,        ///< a file or a name that is not there
    Io,              ///< reading or writing failed: no permission, disk full
    Corrupt,         ///< a file that contradicts itself or its format
    Unsupported,     ///< a valid thing that this program does not know
    OutOfMemory,     ///< with the numbers in the message
    Device,          ///< no GPU, a driver that fails
    Cancelled,       ///< stopped on request: not a failure
    Internal,        ///< a bug of ours
};

/// `message` names the thing: file, tensor, expected, found. `hint` says what to do; it may be empty.
struct Error {
    ErrorCode code = ErrorCode::Internal;
    std::string message;
    std::string hint;
};

/// An Error on its way up through engine code. Never leaves a public function.
class Failure final : public std::runtime_error {
public:
    explicit Failure(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}
    Failure(ErrorCode code, std::string message, std::string hint = {})
        : Failure(Error{code, std::move(message), std::move(hint)})
    {
    }
    [[nodiscard]] const Error& error() const { return error_; }

private:
    Error error_;
};

/// The value, or the Error that took its place. Reading the absent one is a bug and throws std::logic_error.
template <class T> class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}     // NOLINT(google-explicit-constructor)
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {} // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    [[nodiscard]] T& value() & { return checked(), std::get<0>(state_); }
    [[nodiscard]] const T& value() const& { return checked(), std::get<0>(state_); }
    [[nodiscard]] T&& value() && { return checked(), std::get<0>(std::move(state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    [[nodiscard]] const Error& error() const
    {
        if (ok()) throw std::logic_error("Result: error() of a success");
        return std::get<1>(state_);
    }

    /// Engine-internal: the value, or throws the Error as a Failure.
    T orThrow() &&
    {
        if (!ok()) throw Failure(std::get<1>(std::move(state_)));
        return std::get<0>(std::move(state_));
    }

private:
    void checked() const
    {
        if (!ok()) throw std::logic_error("Result: value() of a failure: " + std::get<1>(state_).message);
    }
    std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <> class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {} // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool ok() const { return !error_; }
    explicit operator bool() const { return ok(); }
    [[nodiscard]] const Error& error() const
    {
        if (ok()) throw std::logic_error("Result: error() of a success");
        return *error_;
    }
    void orThrow() &&
    {
        if (error_) throw Failure(std::move(*error_));
    }

private:
    std::optional<Error> error_;
};

/// The exception in flight as an Error. Call only inside a catch block.
[[nodiscard]] Error currentExceptionAsError();

/// Runs `body` and turns what it throws into an Error: the one place where exceptions stop.
template <class Body> auto guarded(Body&& body) -> Result<std::invoke_result_t<Body>>
{
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
            std::forward<Body>(body)();
            return {};
        } else {
            return std::forward<Body>(body)();
        }
    } catch (...) {
        return currentExceptionAsError();
    }
}

} // namespace flextron
