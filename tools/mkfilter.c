/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tools/mkfilter.c - compile base/syscalls.h into BPF, as a C header on stdout. Runs while
 * building: libseccomp knows the numbers and makes the program, and no connection pays for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/syscalls.h"

static void check(int r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "mkfilter: %s: error %d\n", what, r);
		exit(1);
	}
}

#define ALLOW(name) check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(name), 0), #name);
#define ALLOW_ARG(name, arg, value)                                    \
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(name), 1, \
	                       SCMP_CMP(arg, SCMP_CMP_EQ, value, 0)),  \
	      #name);

#define ALLOW_ARGS(name, a, value_a, b, value_b)                       \
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(name), 2, \
	                       SCMP_CMP(a, SCMP_CMP_EQ, value_a, 0),   \
	                       SCMP_CMP(b, SCMP_CMP_EQ, value_b, 0)),  \
	      #name);

#define REFUSE(name) refuse(ctx, SCMP_SYS(name), #name);

/* What is allowed stays so. */
static void refuse(scmp_filter_ctx ctx, int number, const char *name)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), number, 0);

	check(r == -EEXIST ? 0 : r, name);
}

static void add_front(scmp_filter_ctx ctx)
{
	SYSCALLS_FRONT
}

static void add_front_ktls(scmp_filter_ctx ctx)
{
	SYSCALLS_FRONT_KTLS
}

static void add_relay(scmp_filter_ctx ctx)
{
	SYSCALLS_RELAY
}

static void add_guard(scmp_filter_ctx ctx)
{
	SYSCALLS_GUARD
}

static void add_tunnel(scmp_filter_ctx ctx)
{
	SYSCALLS_TUNNEL
}

static void add_encode(scmp_filter_ctx ctx)
{
	SYSCALLS_ENCODE
}

static void add_encode_device(scmp_filter_ctx ctx)
{
	SYSCALLS_ENCODE_DEVICE
}

static void add_sanitizer(scmp_filter_ctx ctx)
{
	SYSCALLS_SANITIZER
}

static void emit(const char *name, void (*add)(scmp_filter_ctx), bool sanitizer)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	FILE *f = tmpfile();
	struct sock_filter insn;

	if (!ctx || !f)
		check(-1, "set-up");
	/* Binary search by number instead of a list: libseccomp >= 2.5. */
	check(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize");
	if (sanitizer)
		add_sanitizer(ctx);
	add(ctx);
	check(seccomp_export_bpf(ctx, fileno(f)), "export");
	rewind(f);
	printf("static const struct sock_filter filter_%s[] = {\n", name);
	while (fread(&insn, sizeof(insn), 1, f) == 1)
		printf("\t{0x%04x, %u, %u, 0x%08x},\n", insn.code, insn.jt, insn.jf, insn.k);
	printf("};\n\n");
	fclose(f);
	seccomp_release(ctx);
}

static void emit_all(bool sanitizer)
{
	emit("front", add_front, sanitizer);
	emit("front_ktls", add_front_ktls, sanitizer);
	emit("relay", add_relay, sanitizer);
	emit("guard", add_guard, sanitizer);
	emit("tunnel", add_tunnel, sanitizer);
	emit("encode", add_encode, sanitizer);
	emit("encode_device", add_encode_device, sanitizer);
}

int main(void)
{
	printf("/* made by tools/mkfilter.c from base/syscalls.h */\n\n");
	printf("#ifdef __SANITIZE_ADDRESS__\n");
	emit_all(true);
	printf("#else\n");
	emit_all(false);
	printf("#endif\n");
	return 0;
}
