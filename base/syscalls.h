/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/syscalls.h - which system calls each locked process may use, and why. Included by
 * tools/mkfilter.c at build time only. ALLOW(name), or ALLOW_ARG(name, argument, value) when only
 * that value of the argument is allowed, or ALLOW_ARGS() for values of two arguments. REFUSE(name):
 * fails with EACCES instead of ending the process, unless an earlier line allows it.
 */

/* Worker while relaying: reads and writes the two sockets, waits, asks the guard. */
#define SYSCALLS_RELAY                                                       \
	ALLOW(read)                                                          \
	ALLOW(write)                                                         \
	ALLOW(recvmsg) /* the guard's answers, with the upstream fd */       \
	ALLOW(sendmsg) /* requests to the guard */                           \
	ALLOW(poll)                                                          \
	ALLOW(epoll_wait)  /* the relay */                                   \
	ALLOW(epoll_pwait) /* what epoll_wait() is on newer architectures */ \
	ALLOW(epoll_ctl)                                                     \
	ALLOW(ppoll)                                                         \
	ALLOW(close)                                                         \
	ALLOW(shutdown)      /* half-close */                                \
	ALLOW(clock_gettime) /* where the vDSO cannot */                     \
	ALLOW(getrandom)     /* IVs of AES; OpenSSL, again and again */      \
	ALLOW(getpid)        /* the same, to know that it was not forked */  \
	ALLOW(madvise)       /* give back what a big packet had touched */   \
	ALLOW(rt_sigreturn)                                                  \
	ALLOW(restart_syscall)                                               \
	ALLOW(exit_group)

/* Worker up to the end of the login: also loads the second filter, which is the one above. */
#define SYSCALLS_FRONT                                                                      \
	SYSCALLS_RELAY                                                                      \
	ALLOW_ARG(fcntl, 1, F_SETFL)             /* the upstream fd becomes non-blocking */ \
	ALLOW_ARG(prctl, 0, PR_SET_NO_NEW_PRIVS) /* to load the second filter */            \
	ALLOW(seccomp)

/* The same where the kernel can encrypt: OpenSSL hands it the keys at the end of the handshake, or
 * when a client on TCP goes over to TLS. It is the last that the login needs. */
#define SYSCALLS_FRONT_KTLS                                               \
	SYSCALLS_FRONT                                                    \
	ALLOW_ARGS(setsockopt, 1, SOL_TCP, 2, TCP_ULP) /* "tls" */        \
	ALLOW_ARGS(setsockopt, 1, SOL_TLS, 2, TLS_TX)  /* keys to send */ \
	ALLOW_ARGS(setsockopt, 1, SOL_TLS, 2, TLS_RX)  /* keys to read */

/* Guard as the session's user: the control socket, the journal, the end of its children. */
#define SYSCALLS_GUARD                                       \
	ALLOW(read)                                          \
	ALLOW(write) /* stderr, when there is no journal */  \
	ALLOW(recvfrom)                                      \
	ALLOW(recvmsg)                                       \
	ALLOW(sendto)                                        \
	ALLOW(sendmsg)                                       \
	ALLOW(poll)                                          \
	ALLOW(ppoll)                                         \
	ALLOW(accept4)                                       \
	ALLOW(getsockopt) /* who is on the control socket */ \
	ALLOW(close)                                         \
	ALLOW(wait4)                                         \
	ALLOW(clock_gettime)                                 \
	ALLOW(rt_sigreturn)                                  \
	ALLOW(restart_syscall)                               \
	ALLOW(exit_group)

/* xproxy-tunnel: its two sockets, and stderr. */
#define SYSCALLS_TUNNEL                                                            \
	ALLOW(read)                                                                \
	ALLOW(write)                                                               \
	ALLOW(poll)                                                                \
	ALLOW(ppoll)                                                               \
	ALLOW(close)                                                               \
	ALLOW(shutdown)                                                            \
	ALLOW(clock_gettime)                                                       \
	ALLOW(getrandom) /* OpenSSL, again and again; masks of WebSocket frames */ \
	ALLOW(getpid)    /* OpenSSL, to know that it was not forked */             \
	ALLOW(madvise)   /* give back what is not used any more */                 \
	ALLOW(rt_sigreturn)                                                        \
	ALLOW(restart_syscall)                                                     \
	ALLOW(exit_group)

/* xproxy-encode: one socket, memory, time. */
#define SYSCALLS_ENCODE                                                          \
	ALLOW(read)                                                              \
	ALLOW(write) /* stderr */                                                \
	ALLOW(recvmsg)                                                           \
	ALLOW(sendmsg)                                                           \
	ALLOW(poll)                                                              \
	ALLOW(ppoll)                                                             \
	ALLOW(close)                                                             \
	ALLOW(mmap) /* copies of windows; large buffers of codecs */             \
	ALLOW(munmap)                                                            \
	ALLOW(mremap)                                                            \
	ALLOW(brk)                                                               \
	ALLOW(madvise) /* pages of the ring, and free()'s */                     \
	ALLOW(futex)   /* locks in libraries, also without threads */            \
	ALLOW(clock_gettime)                                                     \
	ALLOW(setitimer) /* ends us when a library hangs */                      \
	ALLOW(sched_yield)                                                       \
	ALLOW(sched_getaffinity) /* codecs count processors */                   \
	ALLOW(sysinfo)           /* glibc's qsort(): how much memory there is */ \
	ALLOW(getpid)                                                            \
	ALLOW(gettid)                                                            \
	ALLOW(rt_sigprocmask)                                                    \
	ALLOW(rt_sigreturn)                                                      \
	ALLOW(restart_syscall)                                                   \
	ALLOW(exit)                                                              \
	ALLOW(exit_group)                                                        \
	REFUSE(openat) /* libvpx has the processors counted, and does without */

/* The same with an encoder that talks to a device. Drivers have threads, map device memory, make
 * memory executable, ask by ioctl and open their nodes again; which, Landlock says. */
#define SYSCALLS_ENCODE_DEVICE                                    \
	ALLOW(ioctl)                                              \
	ALLOW(openat)                                             \
	ALLOW(open)                                               \
	ALLOW(access)                                             \
	ALLOW(faccessat)                                          \
	ALLOW(faccessat2)                                         \
	ALLOW(stat)                                               \
	ALLOW(lstat)                                              \
	ALLOW(fstat)                                              \
	ALLOW(newfstatat)                                         \
	ALLOW(statx)                                              \
	ALLOW(statfs)                                             \
	ALLOW(fstatfs)                                            \
	ALLOW(readlink)                                           \
	ALLOW(readlinkat)                                         \
	ALLOW(getdents64)                                         \
	ALLOW(lseek)                                              \
	ALLOW(pread64)                                            \
	ALLOW(fcntl)                                              \
	ALLOW(flock) /* sessions of cards are counted by locks */ \
	ALLOW(dup)                                                \
	ALLOW(mprotect)                                           \
	ALLOW(mlock)                                              \
	ALLOW(munlock)                                            \
	ALLOW(clone)                                              \
	ALLOW(clone3)                                             \
	ALLOW(set_robust_list)                                    \
	ALLOW(rseq)                                               \
	ALLOW(prctl) /* names of threads */                       \
	ALLOW(rt_sigaction)                                       \
	ALLOW(sigaltstack)                                        \
	ALLOW(tgkill)                                             \
	ALLOW(sched_setaffinity)                                  \
	ALLOW(sched_getparam)                                     \
	ALLOW(sched_getscheduler)                                 \
	ALLOW(get_mempolicy)                                      \
	ALLOW(set_mempolicy)                                      \
	ALLOW(mbind)                                              \
	ALLOW(getrlimit)                                          \
	ALLOW(prlimit64)                                          \
	ALLOW(getuid)                                             \
	ALLOW(geteuid)                                            \
	ALLOW(getgid)                                             \
	ALLOW(getegid)                                            \
	ALLOW(uname)                                              \
	ALLOW(getcpu)                                             \
	ALLOW(getrandom)                                          \
	ALLOW(eventfd2)                                           \
	ALLOW(pipe2)                                              \
	ALLOW(memfd_create)                                       \
	ALLOW(ftruncate)                                          \
	ALLOW(nanosleep)                                          \
	ALLOW(clock_nanosleep)                                    \
	ALLOW(clock_getres)                                       \
	SYSCALLS_ENCODE

/* Added to all of them where the program is built with -fsanitize=address, for tests only: the
 * sanitizer's own calls, of which most are for the report on what it has found. */
#define SYSCALLS_SANITIZER    \
	ALLOW(sigaltstack)    \
	ALLOW(rt_sigaction)   \
	ALLOW(rt_sigprocmask) \
	ALLOW(mmap)           \
	ALLOW(munmap)         \
	ALLOW(mprotect)       \
	ALLOW(open)           \
	ALLOW(openat)         \
	ALLOW(readlink)       \
	ALLOW(readlinkat)     \
	ALLOW(fstat)          \
	ALLOW(stat)           \
	ALLOW(lstat)          \
	ALLOW(newfstatat)     \
	ALLOW(lseek)          \
	ALLOW(ioctl)          \
	ALLOW(fcntl)          \
	ALLOW(pipe)           \
	ALLOW(pipe2)          \
	ALLOW(futex)          \
	ALLOW(sched_yield)    \
	ALLOW(getrlimit)      \
	ALLOW(prlimit64)      \
	ALLOW(getpid)         \
	ALLOW(gettid)         \
	ALLOW(madvise)
