#include "fuse_fusermount.hh"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;

namespace cairn {

namespace {

/** Where the socket and the pipe are put in the child, out of the way of standard input, output and error. */
constexpr int kSocket = 3;

int receiveDescriptor(int socket) {
  char byte;
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t received;
  do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received <= 0) return -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len < CMSG_LEN(sizeof(int))) return -1;
  int descriptor;
  std::memcpy(&descriptor, CMSG_DATA(header), sizeof(descriptor));
  return descriptor;
}

/** All that was said, up to a page: more would not fit into a message anyway. */
std::string readAll(int pipe) {
  std::string text;
  char part[512];
  for (;;) {
    const ssize_t count = read(pipe, part, sizeof(part));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    if (text.size() < 4096) text.append(part, static_cast<std::size_t>(count));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

int errnoFrom(const std::string& problem) {
  if (problem.find("busy") != std::string::npos) return EBUSY;
  if (problem.find("No such file") != std::string::npos) return ENOENT;
  if (problem.find("Not a directory") != std::string::npos) return ENOTDIR;
  return EPERM;
}

}  // namespace

Fusermount fusermount(const std::vector<std::string>& arguments, bool wantsDevice) {
  Fusermount result;
  int sockets[2];
  int errors[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return {-1, errno, "socketpair"};
  if (pipe2(errors, O_CLOEXEC) != 0) {
    const int error = errno;
    close(sockets[0]);
    close(sockets[1]);
    return {-1, error, "pipe"};
  }

  std::vector<std::string> words{"fusermount3"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; variable += 1) {
    if (std::strncmp(*variable, "_FUSE_COMMFD=", 13) != 0 && std::strncmp(*variable, "LC_ALL=", 7) != 0) {
      variables.emplace_back(*variable);
    }
  }
  variables.push_back("_FUSE_COMMFD=" + std::to_string(kSocket));
  variables.push_back("LC_ALL=C");

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, errors[1], 1);
  posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
  posix_spawn_file_actions_adddup2(&actions, sockets[1], kSocket);
  pid_t child = -1;
  const int error = posix_spawnp(&child, "fusermount3", &actions, nullptr, pointers(words).data(),
                                 pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(sockets[1]);
  close(errors[1]);
  if (error != 0) {
    result.error = error;
    result.problem = "fusermount3 is needed here and cannot be started";
  } else {
    if (wantsDevice) result.descriptor = receiveDescriptor(sockets[0]);
    result.problem = readAll(errors[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    const bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0 || (wantsDevice && result.descriptor < 0);
    if (failed) {
      result.error = errnoFrom(result.problem);
      if (result.descriptor >= 0) close(result.descriptor);
      result.descriptor = -1;
    }
  }
  close(sockets[0]);
  close(errors[0]);
  return result;
}

std::string escapeOption(const std::string& text) {
  std::string escaped;
  for (const char letter : text) {
    if (letter == ',' || letter == '\\') escaped.push_back('\\');
    escaped.push_back(letter);
  }
  return escaped;
}

}  // namespace cairn
