// SPDX-License-Identifier: Apache-2.0
#include "system_call_filter.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;  // no filter is known for it
#endif
/// Set in the numbers of x32, a second table of x86-64. Source: asm/unistd.h, __X32_SYSCALL_BIT.
constexpr std::uint32_t kOtherTable = 0x40000000;
/// Newer than Debian 12's headers. Source: Linux 6.15, arch/x86/entry/syscalls/syscall_64.tbl (the same number everywhere).
constexpr std::uint32_t kOpenTreeAttr = 467;
/// CLONE_NEW*: unshare(CLONE_FS), by which a thread has a umask of its own, stays.
constexpr std::uint32_t kNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

/// Refused whatever the arguments are.
constexpr auto kRefused = std::to_array<std::uint32_t>({
    // Other processes.
    __NR_process_vm_readv,
    __NR_process_vm_writev,
    __NR_pidfd_getfd,
    __NR_kcmp,
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    // A sanitizer attaches to the process to look for leaks, and starts a program that names the lines of its report.
    __NR_ptrace,
    __NR_execve,
    __NR_execveat,
#endif
    // Mounts and namespaces: what the worker needed of them is done.
    __NR_mount,
    __NR_umount2,
    __NR_pivot_root,
    __NR_chroot,
    __NR_setns,
    __NR_open_tree,
    kOpenTreeAttr,
    __NR_move_mount,
    __NR_fsopen,
    __NR_fsconfig,
    __NR_fsmount,
    __NR_fspick,
    __NR_mount_setattr,
    // Files past every path.
    __NR_open_by_handle_at,
    // The kernel itself.
    __NR_init_module,
    __NR_finit_module,
    __NR_delete_module,
    __NR_kexec_load,
    __NR_bpf,
    __NR_perf_event_open,
    __NR_userfaultfd,
    __NR_io_uring_setup,
    __NR_io_uring_enter,
    __NR_io_uring_register,
    __NR_syslog,
    __NR_reboot,
#ifdef __NR_kexec_file_load
    __NR_kexec_file_load,
#endif
#ifdef __NR_iopl
    __NR_iopl,
    __NR_ioperm,
    __NR_modify_ldt,
    __NR_uselib,
#endif
    // Keys.
    __NR_add_key,
    __NR_request_key,
    __NR_keyctl,
    // The machine.
    __NR_settimeofday,
    __NR_clock_settime,
    __NR_clock_adjtime,
    __NR_adjtimex,
    __NR_sethostname,
    __NR_setdomainname,
    __NR_swapon,
    __NR_swapoff,
    __NR_acct,
    __NR_quotactl,
    __NR_quotactl_fd,
    __NR_vhangup,
});

using FilterProgram = std::vector<sock_filter>;

sock_filter statement(unsigned code, std::uint32_t value) {
  return {.code = static_cast<std::uint16_t>(code), .jt = 0, .jf = 0, .k = value};
}
sock_filter jump(unsigned code, std::uint32_t value, std::uint8_t if_true, std::uint8_t if_false) {
  return {.code = static_cast<std::uint16_t>(code), .jt = if_true, .jf = if_false, .k = value};
}
sock_filter load(std::size_t offset) { return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
sock_filter answer(std::uint32_t verdict) { return statement(BPF_RET | BPF_K, verdict); }
sock_filter refuse(std::uint32_t error = EPERM) { return answer(SECCOMP_RET_ERRNO | error); }

/// Where the low half of an argument lies.
std::size_t argument(std::size_t index) {
  constexpr std::size_t kLowHalf = std::endian::native == std::endian::little ? 0 : sizeof(std::uint32_t);
  return offsetof(seccomp_data, args) + index * sizeof(std::uint64_t) + kLowHalf;
}

void append(FilterProgram& program, std::initializer_list<sock_filter> more) { program.insert(program.end(), more); }

/// Refuses the call where argument `index` has one of `bits`.
void refuse_bits(FilterProgram& program, std::uint32_t call, std::size_t index, std::uint32_t bits) {
  append(program, {jump(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4), load(argument(index)),
                   jump(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1), refuse(), answer(SECCOMP_RET_ALLOW)});
}

/// Refuses the call where argument `index` is one of two values.
void refuse_values(FilterProgram& program, std::uint32_t call, std::size_t index, std::array<std::uint32_t, 2> values) {
  append(program, {jump(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 5), load(argument(index)),
                   jump(BPF_JMP | BPF_JEQ | BPF_K, values[0], 1, 0), jump(BPF_JMP | BPF_JEQ | BPF_K, values[1], 0, 1),
                   refuse(), answer(SECCOMP_RET_ALLOW)});
}

FilterProgram make_program() {
  FilterProgram program;
  append(program, {load(offsetof(seccomp_data, arch)), jump(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0), refuse(),
                   load(offsetof(seccomp_data, nr)), jump(BPF_JMP | BPF_JGE | BPF_K, kOtherTable, 0, 1), refuse()});
  for (const std::uint32_t call : kRefused) append(program, {jump(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), refuse()});
  // clone3 hides its flags behind a pointer; without it the C library goes on with clone.
  append(program, {jump(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 1), refuse(ENOSYS)});
  refuse_bits(program, __NR_unshare, 0, kNamespaces | CLONE_NEWTIME);
  refuse_bits(program, __NR_clone, 0, kNamespaces);
  // Typing into the terminal that the daemon was started from.
  refuse_values(program, __NR_ioctl, 1, {TIOCSTI, TIOCLINUX});
  append(program, {answer(SECCOMP_RET_ALLOW)});
  return program;
}

}  // namespace

Result<void> filter_system_calls() {
  if (kArchitecture == 0)
    return base::fail(ErrorKind::invalid, ENOSYS, "there is no system call filter for this processor");
  FilterProgram program = make_program();
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
  // SPEC_ALLOW: before Linux 5.16 a filter would turn a mitigation on that slows the whole process down.
  const long done = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                              SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter);
  if (done == 0) return {};
  return base::fail_errno(ErrorKind::invalid, done < 0 ? errno : EBUSY, "cannot filter the worker's system calls");
}

}  // namespace arenacache::daemon
