# xproxy - one GNU Makefile, no configure.  make V=1 shows the commands.
VERSION     = 0.1.0
prefix      ?= /usr/local
bindir      ?= $(prefix)/bin
libexecdir  ?= $(prefix)/libexec
libdir      ?= $(prefix)/lib
sysconfdir  ?= /etc
mandir      ?= $(prefix)/share/man
docdir      ?= $(prefix)/share/doc/xproxy
systemddir  ?= $(prefix)/lib/systemd
moduledir    = $(libdir)/xproxy
wwwdir       = $(prefix)/share/xproxy/www
B           ?= build
CC          ?= gcc
PKG_CONFIG  ?= pkg-config
MODE        ?= release

# Warnings and hardening; add -Werror with WERROR=1 (CI does).
WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
           -Wcast-align -Wimplicit-fallthrough -Wswitch-enum -Wconversion -Wno-sign-conversion
ZERO    := $(shell echo | $(CC) -Werror -ftrivial-auto-var-init=zero -x c -c -o /dev/null - 2>/dev/null && echo -ftrivial-auto-var-init=zero)
HARDEN   = -fno-common -fstack-protector-strong -fstack-clash-protection -fcf-protection $(ZERO) -fPIE
DEFS     = -D_GNU_SOURCE -DXPROXY_VERSION='"$(VERSION)"' -DXPROXY_MODULE_DIR='"$(moduledir)"' \
           -DXPROXY_WWW_DIR='"$(wwwdir)"' -I. -I$(B) $(DB_DEFS)
DB_DEFS := $(shell $(PKG_CONFIG) --cflags libpq libmariadb)
CFLAGS_release = -O2 -g -D_FORTIFY_SOURCE=3
CFLAGS_asan    = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_cov     = -O0 -g --coverage
LDFLAGS_asan   = -fsanitize=address,undefined
LDFLAGS_cov    = --coverage
XCFLAGS  = -std=gnu17 $(CFLAGS_$(MODE)) $(WARN) $(if $(WERROR),-Werror) $(HARDEN) -ffile-prefix-map=$(CURDIR)=. $(DEFS) $(CFLAGS)
XLDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--as-needed $(LDFLAGS_$(MODE)) $(LDFLAGS)

# Rooms, by floor (see README): a file may include only from its own floor's room or from below.
BASE    = base/bridge.c base/config.c base/config-keys.c base/config-units.c base/config-values.c base/frame.c base/log.c base/module.c base/netaddr.c base/options.c base/peer.c base/readfile.c base/rpc.c base/runtime.c base/sandbox.c base/socket.c base/sshcommand.c base/sshd.c base/stats.c base/wipe.c
WIRE    = wire/token.c wire/token_value.c wire/utf8.c wire/rencode.c wire/bencode.c wire/yaml.c wire/yaml_scalar.c wire/yaml_write.c wire/header.c wire/compress.c wire/lzo.c wire/digest.c wire/packet.c wire/proxyproto.c wire/cipher.c wire/cipher_record.c wire/http.c wire/form.c wire/json.c wire/websocket.c
# Built in, besides those of auth/simple.c and auth/multifile.c.
BUILTIN = auth/peercred.c auth/property.c auth/certificate.c auth/hosts.c auth/hosts_rule.c auth/exec.c auth/program.c auth/hash.c auth/scramkey.c
AUTH    = auth/guard.c auth/sessions.c auth/attend.c auth/front.c auth/web.c auth/list.c auth/broker.c auth/penalty.c auth/penalty-table.c auth/penalty-bucket.c auth/chain.c auth/chain_open.c auth/challenge.c auth/checker.c auth/password.c auth/username.c auth/simple.c auth/multifile.c auth/load.c $(BUILTIN)
SESSION = session/record.c session/option.c session/uri.c session/uri_text.c session/locate.c session/choose.c session/asuser.c session/connect.c session/carrier.c session/spawn.c session/encoder.c session/broker.c session/dial.c session/via.c session/web.c session/since.c session/bind.c session/memory.c session/control.c session/info.c
RELAY   = relay/worker.c relay/receive.c relay/front.c relay/login.c relay/fact.c relay/secure.c relay/upgrade.c relay/http.c relay/http-broker.c relay/x2go.c relay/http-files.c relay/http-policy.c relay/http-login.c relay/http-sessions.c relay/websocket.c relay/raw.c relay/encryption.c relay/encryption_layer.c relay/encryption_server.c relay/cipher_caps.c relay/greet.c relay/answer.c relay/challenge.c relay/hello.c relay/rewrite.c relay/shape.c relay/leg.c relay/flow.c relay/pump.c relay/peek.c relay/edit.c relay/translate.c relay/draw.c relay/abilities.c relay/windows.c relay/transcode.c relay/transcode_ack.c relay/transcode_draw.c relay/transcode_picture.c
TLS     = relay/tls.c relay/tls_names.c relay/tls_ocsp.c relay/tls_session.c
# What xproxy-tunnel is made of.
TUNNEL  = base/sandbox.c relay/leg.c relay/flow.c relay/tls_session.c relay/tls_client.c relay/wsclient.c \
          wire/http.c wire/websocket.c
# What xproxy-encode is made of, but for encoders.
ENCODE  = encode/process.c encode/lock.c encode/engine.c encode/flush.c encode/refresh.c encode/output.c encode/unseen.c encode/ladder.c encode/pace.c encode/window.c encode/area.c encode/region.c encode/scroll.c encode/scale.c
# What an X2Go session broker offers, and to whom; where that is; by what its clients are known, there and here.
PROFILES = broker/acl.c broker/ini.c broker/json.c broker/profile.c broker/profile_keys.c broker/profiles.c broker/qsettings.c broker/rows.c broker/shown.c
BROKER  = $(PROFILES) \
          broker/agent.c broker/balance.c broker/inquiry.c broker/listing.c broker/load.c broker/pool.c broker/process.c broker/scan.c broker/select.c \
          broker/authid.c broker/event.c broker/key.c broker/keyline.c broker/state.c \
          broker/access.c broker/answer.c broker/probe.c broker/reply.c broker/serve.c broker/sshcommand.c broker/sshfront.c
# What xproxyctl alone runs, and what it uses of other rooms.
CTL     = ctl/bus.c ctl/certificate.c ctl/cgroup.c ctl/check.c ctl/checktls.c ctl/checkunits.c ctl/checkx2go.c ctl/encoders.c ctl/find.c ctl/info.c ctl/journal.c ctl/list.c ctl/live.c ctl/metrics.c \
          ctl/openmetrics.c ctl/penalties.c ctl/probe.c ctl/query.c ctl/sessions.c ctl/show.c ctl/stop.c ctl/units.c ctl/x2go.c
CTL_USES = $(SESSION) auth/penalty-table.c auth/penalty-bucket.c auth/users.c auth/usersargs.c auth/usersjob.c auth/users_sqlite.c auth/dburi.c auth/userdb.c auth/prompt.c auth/load.c auth/username.c auth/simple.c auth/multifile.c \
          $(BUILTIN) base/table.c encode/load.c broker/event.c broker/state.c broker/acl.c broker/ini.c broker/profile.c broker/profile_keys.c broker/profiles.c broker/rows.c

o = $(patsubst %.c,$(B)/$(MODE)/%.o,$(filter %.c,$(1)))

# nettle first: it has most symbols to be looked up when a program starts, its own, and they are looked for in this order.
CONN_LIBS = -lnettle -llz4 -lz -lbrotlidec
CTL_LIBS  = $(CONN_LIBS) -lsqlite3 -lsystemd -lcrypto -lm

# As many jobs as there are processors, unless told otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

# What is loaded only by connections that need it, as its libraries take their time: sources and libraries of each
# build/NAME.so, and nothing else of them is said in this file. First what several of them share.
PGSQL   = auth/pgconn.c auth/dburi.c base/readfile.c
SQLROWS = auth/sqlrows.c auth/hash.c auth/scramkey.c
KEY     = auth/securitykey.c auth/counter.c base/readfile.c
ASKED   = auth/claims.c auth/fetch.c base/readfile.c
module.tls           = $(TLS) -lssl -lcrypto
# Users and their sessions in a table.
module.auth-sqlite   = auth/sqlite.c auth/userdb.c $(SQLROWS) -lsqlite3 -lnettle
module.auth-pgsql    = auth/pgsql.c auth/users_pgsql.c $(PGSQL) $(SQLROWS) -lpq -lnettle
module.auth-mysql    = auth/mysql.c auth/dburi.c base/readfile.c $(SQLROWS) -lmariadb -lnettle
# For Registry=exec(...).
module.exec-sessions = auth/exec_sessions.c -ljansson
# The machine's accounts, directories, realms.
module.auth-pam      = auth/pam.c auth/pam_change.c auth/pam_talk.c -lpam
module.auth-ldap     = auth/ldap.c auth/ldap_name.c auth/ldap_options.c base/readfile.c -lldap -llber
module.auth-kerberos-password = auth/kerberos.c -lkrb5
module.auth-gss      = auth/gss.c -lgssapi_krb5 -lnettle
# What users have with them, and servers of identities.
module.auth-otp      = auth/otp.c auth/counter.c -loath -lnettle
module.auth-u2f      = auth/u2f.c $(KEY) -lcrypto -lnettle
module.auth-fido2    = auth/fido2.c $(KEY) -lcrypto -lnettle
module.auth-scram    = auth/scram.c auth/multifile.c auth/hash.c auth/scramkey.c auth/counter.c base/readfile.c -lnettle
module.auth-oauth    = auth/oauth.c auth/jwt.c $(ASKED) -lcurl -ljansson -lcrypto
module.auth-keycloak = auth/keycloak.c $(ASKED) -lcurl -ljansson -lnettle
# What makes pictures: loaded only where Encoders= names it.
module.encode-x264   = encode/x264.c encode/csc.c -lx264 -lyuv
module.encode-openh264 = encode/openh264.c encode/csc.c -lopenh264 -lyuv
module.encode-vp8    = encode/vpx.c encode/csc.c -lvpx -lyuv
module.encode-jpeg   = encode/jpeg.c -lturbojpeg
module.encode-webp   = encode/webp.c -lwebp
module.encode-png    = encode/png.c encode/csc.c -lspng -lyuv
# Smaller videos, by whichever of these.
module.encode-scale  = encode/scaler.c -lyuv
# NVIDIA's own libraries are looked for when it is loaded.
module.encode-nvenc  = encode/nvenc.c encode/nvenc_gpu.c encode/nvenc_settings.c encode/cuda.c encode/slots.c -lyuv
# What `xproxyctl encoders --probe` looks at them with.
module.probe-decode  = ctl/decode.c -lavcodec -lavutil -lyuv

# Beside the program; and those for pictures once more beside the unit tests that load them, made as these are.
MODULES = $(patsubst module.%,$(B)/%.so,$(sort $(filter module.%,$(.VARIABLES))))
UNIT_MODULES = $(patsubst $(B)/%,$(B)/$(MODE)/unit/%,$(filter $(B)/encode-% $(B)/probe-%,$(MODULES)))
WWW = $(notdir $(wildcard www/*))

all: $(B)/xproxy-conn $(B)/xproxy-tunnel $(B)/xproxy-encode $(B)/xproxy-x2gobroker $(B)/xproxyctl $(MODULES) $(addprefix $(B)/www/,$(WWW))

$(B)/xproxy-conn: $(call o,xproxy-conn.c $(BASE) $(WIRE) $(AUTH) $(SESSION) $(RELAY))
	$(link) $(CONN_LIBS)
# Started only for sessions behind ssl, ws and wss.
$(B)/xproxy-tunnel: $(call o,xproxy-tunnel.c $(TUNNEL))
	$(link) -lssl -lcrypto -lnettle
# Started only where Encoders= is set, and idle until it is needed.
$(B)/xproxy-encode: $(call o,xproxy-encode.c $(ENCODE) encode/load.c base/frame.c base/module.c base/sandbox.c)
	$(link) -llz4
# Started for each request of an X2Go client, by sshd, and by a timer.
$(B)/xproxy-x2gobroker: $(call o,xproxy-x2gobroker.c $(BROKER) base/log.c base/netaddr.c base/readfile.c base/socket.c wire/utf8.c)
	$(link) -ljansson -lcrypto
$(B)/xproxyctl: $(call o,xproxyctl.c $(BASE) $(WIRE) $(CTL) $(CTL_USES))
	$(link) $(CTL_LIBS)
$(foreach m,$(MODULES) $(UNIT_MODULES),$(eval $m: $(call o,$(module.$(basename $(notdir $m))))))
$(MODULES) $(UNIT_MODULES):
	$(shared) $(filter -l%,$(module.$(basename $(notdir $@))))
$(call o,$(sort $(foreach m,$(MODULES),$(module.$(basename $(notdir $m)))))): HARDEN += -fPIC

# Found beside the program, as the above.
$(B)/www/%: www/%
	$(Q)install -D -m 644 $< $@

# The system-call filters, compiled while building (see base/sandbox.h).
$(B)/mkfilter: tools/mkfilter.c base/syscalls.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O1 $(WARN) -D_GNU_SOURCE -I. -o $@ $< -lseccomp
$(B)/filters.h: $(B)/mkfilter
	$(Q)$(B)/mkfilter > $@.tmp && mv $@.tmp $@
$(B)/$(MODE)/base/sandbox.o: $(B)/filters.h

link = $(Q)$(CC) $(XCFLAGS) $(XLDFLAGS) -o $@ $(filter %.o,$^)
# One made of nothing would link, and load.
shared = $(Q)$(if $^,,$(error $@ is made of nothing))mkdir -p $(@D) && $(CC) $(XCFLAGS) -shared -fPIC $(filter-out -pie,$(XLDFLAGS)) -Wl,-z,defs -o $@ $^
Q = $(if $(V),,@)

$(B)/$(MODE)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(XCFLAGS) -MMD -MP -c -o $@ $<
-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)

# ---- tests -------------------------------------------------------------------------------------
# Unit tests and fuzzers link against everything but the mains, as an archive per mode.
LIB_SRC  = $(sort $(BASE) $(WIRE) $(AUTH) $(SESSION) $(RELAY) $(ENCODE) $(BROKER) $(CTL) $(CTL_USES) auth/sqlite.c auth/sqlrows.c auth/ldap_name.c relay/tls_names.c auth/counter.c auth/securitykey.c auth/jwt.c encode/slots.c encode/nvenc_settings.c)
# What people look at, as pictures: for unit tests, the bench of encoders, and real windows.
SCENE    = $(addprefix tests/bench/,scene.c draw.c glyphs.c)
LIB      = $(B)/$(MODE)/libxproxy.a
LIB_LIBS = $(CTL_LIBS) -lm -loath -ljansson
UNITS    = $(patsubst tests/unit/%.c,$(B)/$(MODE)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS  = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

$(LIB): $(call o,$(LIB_SRC) $(SCENE))
	$(Q)rm -f $@ && ar rc $@ $^
$(B)/$(MODE)/unit/%: tests/unit/%.c tests/unit/test.h $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(XCFLAGS) -MMD -MP $(XLDFLAGS) -o $@ $< $(LIB) $(LIB_LIBS)
units: $(UNITS) $(UNIT_MODULES)

# What tests run besides.
PROBES = $(addprefix $(B)/,sandbox-probe password-probe x2go-probe profiles-probe scene-raw scene-window)
probes: $(PROBES)
# The same locked process a connection ends in, to be killed by one call: tests/system/test_sandbox.py.
$(B)/sandbox-probe: $(B)/$(MODE)/tests/sandbox-probe.o $(call o,base/sandbox.c)
	$(link)

# A new password by PAM, as the guard has it made: tests/system/test_password.py. And what the X2Go broker keeps, with
# an agent that is a script: tests/system/test_x2go_{key,ctl}.py.
$(B)/password-probe: $(call o,tests/password-probe.c auth/password.c base/module.c)
	$(link)
$(B)/x2go-probe: $(call o,tests/x2go-probe.c broker/event.c broker/key.c broker/keyline.c broker/state.c base/log.c)
	$(link) -lcrypto
# What is made of session profiles: tests/system/test_profiles.py.
$(B)/profiles-probe: $(call o,tests/profiles-probe.c $(PROFILES) base/netaddr.c base/readfile.c wire/utf8.c)
	$(link) -ljansson

# A scene as raw frames, and in a window for tests with a real server.
$(B)/scene-raw: $(call o,tests/bench/scene-raw.c $(SCENE))
	$(link)
$(B)/scene-window: $(call o,tests/bench/scene-window.c $(SCENE))
	$(link) -lXext -lX11

# A libcuda.so.1 and a libnvidia-encode.so.1 that need no GPU: tests/system/test_nvenc.py. Never installed.
STANDIN = $(B)/nvenc-standin
# Without sanitizers: a driver has none either, and ffmpeg could not load it.
STANDIN_CC = $(Q)mkdir -p $(@D) && $(CC) $(filter-out -fsanitize=%,$(XCFLAGS)) -fvisibility=hidden -shared -fPIC \
  $(filter-out -pie -fsanitize=%,$(XLDFLAGS)) -Wl,-z,defs,-soname,$(@F) -o $@ $(filter %.c %.so.1,$^)
$(STANDIN)/libcuda.so.1: $(addprefix tests/nvenc-standin/,standin.c cuda.c cuda-rest.c standin.h)
	$(STANDIN_CC)
$(STANDIN)/libnvidia-encode.so.1: $(addprefix tests/nvenc-standin/,session.c settings.c frames.c convert.c codec.c session.h standin.h) $(STANDIN)/libcuda.so.1
	$(STANDIN_CC) -lyuv -lx264 -lx265
$(STANDIN)/drive: $(call o,tests/nvenc-standin/drive.c encode/lock.c base/sandbox.c)
	$(link)
standin: $(addprefix $(STANDIN)/,libcuda.so.1 libnvidia-encode.so.1 drive)
# What pictures cost: tests/bench/run.py encode.
$(B)/encode-bench: $(call o,$(addprefix tests/bench/,encode-bench.c encode.c path.c path-client.c)) $(LIB)
	$(Q)$(CC) $(XCFLAGS) $(XLDFLAGS) -o $@ $^ $(LIB_LIBS)

# libFuzzer where clang is, for FUZZ_SECONDS each; `make check` replays the corpora with any compiler.
FUZZ_SECONDS ?= 60
$(B)/fuzz/%: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(Q)clang -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	  $(WARN) $(DEFS) -o $@ $< $(filter-out $(CTL),$(LIB_SRC)) $(LIB_LIBS)
fuzz-deps:
	tests/deps.sh build fuzz
fuzz: fuzz-deps $(B)/filters.h $(patsubst %,$(B)/fuzz/%,$(FUZZERS))
	tests/fuzz/run.sh $(B)/fuzz $(FUZZ_SECONDS)
$(B)/$(MODE)/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(XCFLAGS) $(XLDFLAGS) -o $@ tests/fuzz/$*.c tests/fuzz/replay.c $(LIB) $(LIB_LIBS)
replays: $(patsubst %,$(B)/$(MODE)/replay/%,$(FUZZERS))

deps:
	tests/deps.sh build
check:
	tests/deps.sh build deb test
	tests/npm.sh $(B)
	tests/x2go.sh $(B)
	$(MAKE) all standin probes
	$(MAKE) MODE=asan units replays
	tests/check.sh $(B)
demo:
	tests/deps.sh build demo
	$(MAKE) all
	tests/demo.sh $(B)
# The program as it would be without transcoding: tests/bench/run.py without.
WITHOUT = $(filter-out relay/draw.c relay/abilities.c relay/transcode%,$(RELAY)) tests/bench/without.c
$(B)/bench/xproxy-conn: $(call o,xproxy-conn.c $(BASE) $(WIRE) $(AUTH) $(SESSION) $(WITHOUT))
	@mkdir -p $(@D)
	$(link) $(CONN_LIBS)
bench: all $(addprefix $(B)/,encode-bench scene-raw bench/xproxy-conn)
	tests/deps.sh build bench
	XPROXY_BUILD=$(B) tests/bench/run.py $(BENCH)
lint:
	tests/deps.sh build lint
	tests/lint.sh
# Branch coverage of the parsers, from the unit tests: build/cov/*.gcov.
coverage:
	$(MAKE) MODE=cov units replays
	tests/coverage.sh $(B)

# xproxy@.service once more for each socket of its own: what is different is the command.
x2go.for     = %i for X2Go clients
x2go.command = -o Listen.Transports= -o "Listen.Transports=tls http" -o Listen.HTTPBackend=
x2go-ssh.for     = %i for X2Go clients by way of sshd
x2go-ssh.command = -o Auth.Module= -o Auth.Module=peercred -o Listen.Transports= -o Listen.Transports=http -o Listen.HTTPBackend= \
                   -o Listen.RequireTLS=no -o Listen.TLSClientCA= -o Listen.ProxyProtocol=no
UNITS_MADE = $(patsubst %,$(B)/units/xproxy-%@.service,x2go x2go-ssh)
$(B)/units/xproxy-%@.service: units/xproxy@.service Makefile
	@mkdir -p $(@D)
	$(Q)sed 's,%i$$,$($*.for),; s,started by xproxy.socket,started by xproxy-$*.socket,; s,^ExecStart=.*,& $($*.command),' $< > $@

# Where systemd and PAM read them; units/ has the same folders.
UNIT_FILES = $(addprefix $(systemddir)/system/,xproxy.socket xproxy@.service xproxy.slice xproxy-x2go.socket xproxy-x2go-ssh.socket xproxy-x2go-sweep.service xproxy-x2go-sweep.timer $(notdir $(UNITS_MADE))) \
             $(addprefix $(systemddir)/user/,xproxy.socket xproxy@.service) $(systemddir)/catalog/xproxy.catalog \
             $(foreach d,sysusers tmpfiles modules-load,$(prefix)/lib/$d.d/xproxy.conf) $(sysconfdir)/pam.d/xproxy \
             $(sysconfdir)/fail2ban/filter.d/xproxy.conf
unit_source = $(firstword $(filter %/$(notdir $1),$(UNITS_MADE)) $(wildcard units/$(notdir $(patsubst %/,%,$(dir $1)))/$(notdir $1)) units/$(notdir $1))

install: all $(UNITS_MADE)
	install -d $(DESTDIR)$(libexecdir) $(DESTDIR)$(bindir) $(DESTDIR)$(moduledir) $(DESTDIR)$(docdir) \
	  $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man5 $(DESTDIR)$(mandir)/man8 $(DESTDIR)$(docdir)/examples $(DESTDIR)$(wwwdir)
	install -m 755 $(B)/xproxy-conn $(DESTDIR)$(libexecdir)/xproxy-conn
	install -m 755 $(B)/xproxy-tunnel $(DESTDIR)$(libexecdir)/xproxy-tunnel
	install -m 755 $(B)/xproxy-encode $(DESTDIR)$(libexecdir)/xproxy-encode
	install -m 755 $(B)/xproxy-x2gobroker $(DESTDIR)$(libexecdir)/xproxy-x2gobroker
	install -m 755 $(B)/xproxyctl $(DESTDIR)$(bindir)/xproxyctl
	install -m 644 $(MODULES) $(DESTDIR)$(moduledir)/
	install -m 644 www/* $(DESTDIR)$(wwwdir)/
	install -m 644 man/xproxyctl.1 $(DESTDIR)$(mandir)/man1/
	install -m 644 man/xproxy.conf.5 man/xproxy-x2go-profiles.5 $(DESTDIR)$(mandir)/man5/
	install -m 644 man/xproxy-conn.8 man/xproxy-tunnel.8 man/xproxy-encode.8 man/xproxy-x2gobroker.8 $(DESTDIR)$(mandir)/man8/
	install -m 644 README.md COPYING $(DESTDIR)$(docdir)/
	install -m 644 units/xproxy.conf units/examples/* $(DESTDIR)$(docdir)/examples/
	$(Q)sed -i 's,/usr/libexec,$(libexecdir),; s,/usr/lib/systemd,$(systemddir),' $(DESTDIR)$(docdir)/examples/*
	install -d $(DESTDIR)$(sysconfdir)/xproxy $(addprefix $(DESTDIR),$(sort $(dir $(UNIT_FILES))))
	$(Q)$(foreach f,$(UNIT_FILES),sed 's,/usr/libexec,$(libexecdir),' '$(call unit_source,$f)' > '$(DESTDIR)$f' && chmod 644 '$(DESTDIR)$f' &&) true
uninstall:
	rm -f $(DESTDIR)$(libexecdir)/xproxy-conn $(DESTDIR)$(libexecdir)/xproxy-tunnel $(DESTDIR)$(libexecdir)/xproxy-encode $(DESTDIR)$(libexecdir)/xproxy-x2gobroker $(DESTDIR)$(bindir)/xproxyctl $(DESTDIR)$(mandir)/man1/xproxyctl.1 \
	  $(addprefix $(DESTDIR)$(mandir)/man5/,xproxy.conf.5 xproxy-x2go-profiles.5) $(DESTDIR)$(mandir)/man8/xproxy-conn.8 $(DESTDIR)$(mandir)/man8/xproxy-tunnel.8 $(DESTDIR)$(mandir)/man8/xproxy-encode.8 $(DESTDIR)$(mandir)/man8/xproxy-x2gobroker.8 $(addprefix $(DESTDIR),$(UNIT_FILES))
	rm -rf $(DESTDIR)$(moduledir) $(DESTDIR)$(dir $(wwwdir)) $(DESTDIR)$(docdir)

# The Debian packages, made of a copy of the tree and in a bare environment: the same bytes everywhere. DEB is the
# main one; xproxy-modules and xproxy-encoders lie beside it.
DEB_VERSION ?= $(VERSION)
DEB          = $(abspath $(B))/xproxy_$(DEB_VERSION)_$(shell dpkg --print-architecture 2>/dev/null).deb
deb:
	tests/deps.sh build deb
	rm -rf $(B)/deb && mkdir -p $(B)/deb/xproxy
	tar -c --exclude-vcs --exclude='./build*' --exclude='./$(B)' --exclude=./tests . | tar -x -C $(B)/deb/xproxy
	sed -i '1s/(.*)/($(DEB_VERSION))/' $(B)/deb/xproxy/debian/changelog
	cd $(B)/deb/xproxy && env -i PATH="$$PATH" LC_ALL=C.UTF-8 DEB_BUILD_OPTIONS="noautodbgsym parallel=$$(nproc) $$DEB_BUILD_OPTIONS" \
	  dpkg-buildpackage -b -us -uc
	mv $(B)/deb/*.deb $(dir $(DEB)) && rm -rf $(B)/deb
	@echo $(DEB)

clean:
	rm -rf $(B)
.PHONY: all probes units standin fuzz fuzz-deps replays deps check demo bench lint coverage install uninstall deb clean
.SECONDARY:
