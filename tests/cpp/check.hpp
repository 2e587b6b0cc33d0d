// Checks for tests that are plain programs: CHECK(condition) and CHECK_THROWS(call, Type, part).
// A failed check prints its place and goes on; `return check_result();` ends main.
#pragma once

#include <cstdio>
#include <string>

inline int& failed_checks() {
  static int count = 0;
  return count;
}

inline int check_result() { return failed_checks() == 0 ? 0 : 1; }

inline void fail_check(const char* file, int line, const std::string& text) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, text.c_str());
  ++failed_checks();
}

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) fail_check(__FILE__, __LINE__, "does not hold: " #condition); \
  } while (false)

/// The call throws a Type whose message contains `part`.
#define CHECK_THROWS(call, Type, part)                                                    \
  do {                                                                                    \
    try {                                                                                 \
      call;                                                                               \
      fail_check(__FILE__, __LINE__, "nothing thrown: " #call);                           \
    } catch (const Type& caught) {                                                        \
      if (std::string(caught.what()).find(part) == std::string::npos) {                   \
        fail_check(__FILE__, __LINE__, std::string("another message: ") + caught.what()); \
      }                                                                                   \
    } catch (...) {                                                                       \
      fail_check(__FILE__, __LINE__, "not a " #Type ": " #call);                          \
    }                                                                                     \
  } while (false)
