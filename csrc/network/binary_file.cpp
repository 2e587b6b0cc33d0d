#include "network/binary_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <functional>
#include <memory>
#include <system_error>

#include "descend/network.hpp"

namespace descend::network {

namespace {

// Some systems refuse to move more than 2 GiB at once.
constexpr std::size_t kMostBytesAtOnce = std::size_t{1} << 30;

[[noreturn]] void fail(const char* action, int error) {
  throw FileError(std::string(action) + ": " + std::generic_category().message(error) + ".", error);
}

[[noreturn]] void fail_not_regular(mode_t mode) {
  if (S_ISDIR(mode)) fail("not a file", EISDIR);
  fail("not a regular file", EINVAL);
}

/// A file beside `target` that takes its place when it is whole. Where the system can, it has no
/// name before, so that a process that is killed leaves nothing behind.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& target)
      : target_(target), folder_(target.substr(0, target.find_last_of('/') + 1)) {
    descriptor_ = open_unnamed();
    static std::atomic<unsigned> count{0};
    while (descriptor_ < 0) {
      path_ = folder_ + ".descend-" + std::to_string(getpid()) + "-" + std::to_string(count++);
      descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ < 0 && errno != EEXIST) {
        path_.clear();
        fail("cannot create a file in its folder", errno);
      }
    }
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!path_.empty()) unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void set_mode(mode_t mode) {
    if (fchmod(descriptor_, mode) != 0) fail("cannot set its permissions", errno);
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written =
          ::write(descriptor_, bytes.data(), std::min(bytes.size(), kMostBytesAtOnce));
      if (written < 0 && errno != EINTR) fail("cannot be written", errno);
      if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  /// Takes the place of the target once the bytes are on the disk; its name is then too.
  void keep() {
    if (fsync(descriptor_) != 0) fail("cannot be written", errno);
    // Whoever writes the same target at the same time may take the name away.
    do {
      if (path_.empty()) give_name();
    } while (!take_place());
    const int closed = close(descriptor_);
    descriptor_ = -1;
    if (closed != 0) fail("cannot be written", errno);
    sync_folder();
  }

 private:
#ifdef O_TMPFILE
  // Through /proc the file gets its name.
  int open_unnamed() const {
    if (access("/proc/self/fd", X_OK) != 0) return -1;
    return open(folder_.empty() ? "." : folder_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  }
  // A name that is the target's alone: one left by a process that was killed here is taken over.
  void give_name() {
    const std::string own = "/proc/self/fd/" + std::to_string(descriptor_);
    const std::string name =
        folder_ + ".descend-" + std::to_string(std::hash<std::string>{}(target_));
    while (linkat(AT_FDCWD, own.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      if (errno != EEXIST) fail("cannot create a file in its folder", errno);
      if (unlink(name.c_str()) != 0 && errno != ENOENT) fail("cannot be replaced", errno);
    }
    path_ = name;
    unnamed_ = true;
  }
#else
  int open_unnamed() const { return -1; }
  void give_name() {}
#endif

  bool take_place() {
    if (rename(path_.c_str(), target_.c_str()) == 0) {
      path_.clear();
      return true;
    }
    const int error = errno;
    if (error != ENOENT || !unnamed_) fail("cannot be replaced", error);
    path_.clear();
    return false;
  }

  // Not every file system can: what it says is then all that can be had.
  void sync_folder() const {
    const int folder =
        open(folder_.empty() ? "." : folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    const int error = fsync(folder) == 0 ? 0 : errno;
    close(folder);
    if (error == EIO) fail("is replaced, but its folder cannot be written", error);
  }

  std::string target_;
  std::string folder_;    // with its slash
  std::string path_;      // where the file has a name
  bool unnamed_ = false;  // until it was whole
  int descriptor_ = -1;
};

/// What a symbolic link points to, seen from where it is; `path` itself where it is none.
std::string link_target(const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = readlink(path.c_str(), target.data(), target.size());
  if (length < 0) return path;
  target.resize(static_cast<std::size_t>(length));
  return target.front() == '/' ? target : path.substr(0, path.find_last_of('/') + 1) + target;
}

/// The path behind symbolic links, also where nothing is there yet, as open() follows them.
std::string resolved(const std::string& path) {
  constexpr int kMostLinks = 40;
  std::string place = path;
  for (int links = 0; links < kMostLinks; ++links) {
    const std::unique_ptr<char, void (*)(void*)> real(realpath(place.c_str(), nullptr), std::free);
    if (real) return real.get();
    if (errno == ELOOP) break;
    const std::string behind = link_target(place);
    if (behind == place) return place;
    place = behind;
  }
  fail("cannot be opened", ELOOP);
}

}  // namespace

// Opening a pipe must not wait for its writer.
BinaryFile::BinaryFile(const std::string& path)
    : descriptor_(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (descriptor_ < 0) fail("cannot be opened", errno);
  struct stat status{};
  const int error = fstat(descriptor_, &status) == 0 ? 0 : errno;
  if (error != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor_);
    if (error != 0) fail("cannot be read", error);
    fail_not_regular(status.st_mode);
  }
  size_ = static_cast<std::size_t>(status.st_size);
}

BinaryFile::~BinaryFile() { close(descriptor_); }

void BinaryFile::read(std::size_t offset, std::size_t size, void* out) const {
  auto* bytes = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t got =
        pread(descriptor_, bytes, std::min(size, kMostBytesAtOnce), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot be read", errno);
    if (got == 0) fail("was cut short while it was read", EIO);
    bytes += got;
    offset += static_cast<std::size_t>(got);
    size -= static_cast<std::size_t>(got);
  }
}

void write_file_atomically(const std::string& path, const std::vector<std::string_view>& pieces) {
  const std::string target = resolved(path);
  struct stat status{};
  const bool exists = stat(target.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode)) fail_not_regular(status.st_mode);
  if (exists && access(target.c_str(), W_OK) != 0) fail("cannot be replaced", errno);

  TemporaryFile file(target);
  if (exists) file.set_mode(status.st_mode & 07777);
  for (const std::string_view piece : pieces) file.write(piece);
  file.keep();
}

}  // namespace descend::network
