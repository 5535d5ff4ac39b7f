# xproxy - one GNU Makefile, no configure.  make V=1 shows the commands.
VERSION     = 0.1.0
prefix      ?= /usr/local
bindir      ?= $(prefix)/bin
libexecdir  ?= $(prefix)/libexec
libdir      ?= $(prefix)/lib
sysconfdir  ?= /etc
mandir      ?= $(prefix)/share/man
docdir      ?= $(prefix)/share/doc/xproxy
moduledir    = $(libdir)/xproxy
B           ?= build
CC          ?= gcc
PKG_CONFIG  ?= pkg-config
MODE        ?= release

# Warnings and hardening; add -Werror with WERROR=1 (CI does).
WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
           -Wcast-align -Wimplicit-fallthrough -Wswitch-enum -Wconversion -Wno-sign-conversion
HARDEN   = -fno-common -fstack-protector-strong -fstack-clash-protection -fcf-protection \
           -ftrivial-auto-var-init=zero -fPIE
DEFS     = -D_GNU_SOURCE -DXPROXY_VERSION='"$(VERSION)"' -DXPROXY_MODULE_DIR='"$(moduledir)"' \
           -I. -I$(B)
CFLAGS_release = -O2 -g -D_FORTIFY_SOURCE=3
CFLAGS_asan    = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_cov     = -O0 -g --coverage
LDFLAGS_asan   = -fsanitize=address,undefined
LDFLAGS_cov    = --coverage
XCFLAGS  = -std=gnu17 $(CFLAGS_$(MODE)) $(WARN) $(if $(WERROR),-Werror) $(HARDEN) -ffile-prefix-map=$(CURDIR)=. $(DEFS) $(CFLAGS)
XLDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--as-needed $(LDFLAGS_$(MODE)) $(LDFLAGS)

# Rooms, by floor (see README): a file may include only from its own floor's room or from below.
BASE    = base/config.c base/config-keys.c base/log.c base/options.c base/peer.c base/rpc.c base/sandbox.c base/stats.c
WIRE    = wire/token.c wire/token_value.c wire/rencode.c wire/bencode.c wire/header.c wire/compress.c wire/digest.c wire/packet.c
AUTH    = auth/guard.c auth/attend.c auth/chain.c auth/simple.c auth/multifile.c auth/readfile.c auth/load.c
SESSION = session/record.c session/uri.c session/locate.c session/choose.c session/asuser.c session/dial.c session/bind.c session/memory.c session/control.c session/info.c
RELAY   = relay/worker.c relay/login.c relay/greet.c relay/hello.c relay/rewrite.c relay/shape.c relay/leg.c relay/flow.c relay/pump.c relay/peek.c relay/edit.c relay/translate.c
CTL     = session/query.c session/live.c session/show.c session/choose.c session/record.c session/uri.c \
          session/locate.c auth/users.c auth/userdb.c auth/table.c auth/prompt.c

o = $(patsubst %.c,$(B)/$(MODE)/%.o,$(filter %.c,$(1)))

CONN_LIBS = -llz4 -lz -lbrotlidec -lnettle
CTL_LIBS  = -llz4 -lz -lbrotlidec -lnettle -lsqlite3

all: $(B)/xproxy-conn $(B)/xproxyctl $(B)/auth-sqlite.so

$(B)/xproxy-conn: $(call o,xproxy-conn.c $(BASE) $(WIRE) $(AUTH) $(SESSION) $(RELAY))
	$(link) $(CONN_LIBS)
$(B)/xproxyctl: $(call o,xproxyctl.c $(BASE) $(WIRE) $(CTL))
	$(link) $(CTL_LIBS)
$(B)/auth-sqlite.so: $(B)/$(MODE)/auth/userdb.o
$(B)/auth-%.so: $(B)/$(MODE)/auth/%.o
	$(Q)$(CC) $(XCFLAGS) -shared -fPIC $(filter-out -pie,$(XLDFLAGS)) -Wl,-z,defs -o $@ $^ $(if $(filter sqlite,$*),-lsqlite3)
$(B)/$(MODE)/auth/sqlite.o $(B)/$(MODE)/auth/userdb.o: HARDEN += -fPIC

# The system-call filters, compiled while building (see base/sandbox.h).
$(B)/mkfilter: tools/mkfilter.c base/syscalls.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O1 $(WARN) -D_GNU_SOURCE -I. -o $@ $< -lseccomp
$(B)/filters.h: $(B)/mkfilter
	$(Q)$(B)/mkfilter > $@.tmp && mv $@.tmp $@
$(B)/$(MODE)/base/sandbox.o: $(B)/filters.h

link = $(Q)$(CC) $(XCFLAGS) $(XLDFLAGS) -o $@ $(filter %.o,$^)
Q = $(if $(V),,@)

$(B)/$(MODE)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(XCFLAGS) -MMD -MP -c -o $@ $<
-include $(shell find $(B) -name '*.d' 2>/dev/null)

clean:
	rm -rf $(B)
.PHONY: all clean
