#pragma once

#include <string>
#include <utility>

namespace cairn {

/**
 * Why a job did not do what it promised: bytes that are not the chunk (`invalid`), a file that is not what it was
 * a moment ago (`changed`), or a system call that failed (`error`, an errno, with the call's name and the path). Default: nothing went wrong.
 */
struct Failure {
  enum class Kind { none, invalid, changed, system };

  Kind kind = Kind::none;
  std::string reason;
  int error = 0;
  std::string path;

  explicit operator bool() const { return kind != Kind::none; }

  static Failure Invalid(std::string reason) { return {Kind::invalid, std::move(reason), 0, {}}; }
  static Failure Changed(std::string reason) { return {Kind::changed, std::move(reason), 0, {}}; }
  static Failure System(int error, std::string call, std::string path = {}) {
    return {Kind::system, std::move(call), error, std::move(path)};
  }
};

}  // namespace cairn
