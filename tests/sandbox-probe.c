/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/sandbox-probe.c - lock this process as a connection's processes are, then try one system
 * call.
 *
 *   sandbox-probe front|front-ktls|relay|guard|tunnel|encode|encode-device CALL
 *
 * Dies of SIGSYS if the filter forbids the call; prints "allowed", or "refused"
 * when it fails with EACCES, and exits 0 if not; 2 for bad
 * usage. For relay the two filters are stacked, as in the worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sandbox.h"

static const struct {
	const char *name;
	long number;
	long arg[3];
} calls[] = {
	{"open", SYS_open, {0, O_RDONLY}},
	{"openat", SYS_openat, {AT_FDCWD, 0, O_RDONLY}},
	{"socket", SYS_socket, {AF_INET, SOCK_STREAM}},
	{"connect", SYS_connect, {0}},
	{"execve", SYS_execve, {0}},
	{"fork", SYS_fork, {0}},
	{"clone", SYS_clone, {SIGCHLD}},
	{"ptrace", SYS_ptrace, {PTRACE_TRACEME}},
	{"kill", SYS_kill, {1, 0}},
	{"io_uring_setup", SYS_io_uring_setup, {1}},
	{"mmap", SYS_mmap, {0, 4096, PROT_READ}},
	{"mprotect", SYS_mprotect, {0, 0, PROT_READ}},
	{"setuid", SYS_setuid, {0}},
	{"bind", SYS_bind, {0}},
	{"unlink", SYS_unlink, {0}},
	{"process_vm_readv", SYS_process_vm_readv, {1}},
	{"setsockopt", SYS_setsockopt, {0, SOL_SOCKET, SO_KEEPALIVE}},
	{"ulp", SYS_setsockopt, {0, SOL_TCP, TCP_ULP}},
	{"nodelay", SYS_setsockopt, {0, SOL_TCP, TCP_NODELAY}},
	{"read", SYS_read, {-1}},
	{"poll", SYS_poll, {0}},
};

int main(int argc, char *argv[])
{
	static const char *const names[] = {"front",  "front-ktls", "relay",        "guard",
	                                    "tunnel", "encode",     "encode-device"};
	int filter = -1, r;

	for (int i = 0; argc == 3 && i < (int)(sizeof(names) / sizeof(names[0])); i++)
		if (strcmp(argv[1], names[i]) == 0)
			filter = i;
	if (filter < 0)
		return 2;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(argv[2], calls[i].name) != 0)
			continue;
		r = filter == SANDBOX_RELAY ? sandbox_lock(SANDBOX_FRONT) : 0;
		if (r == 0)
			r = sandbox_lock((enum sandbox_filter)filter);
		if (r < 0)
			return 3;
		r = (int)syscall(calls[i].number, calls[i].arg[0], calls[i].arg[1], calls[i].arg[2],
		                 0, 0, 0);
		(void)!write(STDOUT_FILENO, r < 0 && errno == EACCES ? "refused\n" : "allowed\n",
		             8);
		_exit(0);
	}
	return 2;
}
