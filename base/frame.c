/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/frame.c - the ring, the memory and the messages between worker and encoder. Both processes,
 * locked; frame_memory_*() before that. System calls: memfd_create, ftruncate, fcntl, fstat, mmap;
 * sendmsg and recvmsg.
 */
#include "base/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

void frame_ring_init(struct frame_ring *r, uint64_t base, uint64_t size)
{
	*r = (struct frame_ring){.base = base, .size = size};
}

bool frame_ring_fits(const struct frame_ring *r, uint64_t len)
{
	struct frame_ring copy = *r;
	uint64_t offset;

	return frame_ring_take(&copy, 0, len, &offset) == 0;
}

int frame_ring_take(struct frame_ring *r, uint64_t number, uint64_t len, uint64_t *ret_offset)
{
	uint64_t need = (len + FRAME_ALIGN - 1) & ~(uint64_t)(FRAME_ALIGN - 1), skip = 0;

	if (len > r->size)
		return -EMSGSIZE;
	if (r->count == 0)
		r->head = r->tail = 0; /* the same pages again while nothing is in use */
	if (r->head % r->size + need > r->size)
		skip = r->size - r->head % r->size;
	if (r->count == FRAME_PIECES_MAX || r->head + skip + need - r->tail > r->size)
		return -EAGAIN;
	r->head += skip;
	*ret_offset = r->base + r->head % r->size;
	r->head += need;
	r->pieces[(r->first + r->count) % FRAME_PIECES_MAX].number = number;
	r->pieces[(r->first + r->count) % FRAME_PIECES_MAX].end = r->head;
	r->count++;
	return 0;
}

void frame_ring_return(struct frame_ring *r)
{
	if (r->count == 0)
		return;
	r->count--;
	r->head = r->count ? r->pieces[(r->first + r->count - 1) % FRAME_PIECES_MAX].end : r->tail;
}

void frame_ring_give(struct frame_ring *r, uint64_t number)
{
	while (r->count > 0 && r->pieces[r->first].number <= number) {
		r->tail = r->pieces[r->first].end;
		r->first = (r->first + 1) % FRAME_PIECES_MAX;
		r->count--;
	}
}

int frame_memory_new(void)
{
	_cleanup_close_ int fd = memfd_create("xproxy-frames", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)FRAME_MEMORY) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return take_fd(&fd);
}

uint8_t *frame_memory_map(int fd)
{
	struct stat st;
	void *p;

	/* Pages that another process can cut off would kill whoever reads them. */
	if (fstat(fd, &st) < 0 || st.st_size != (off_t)FRAME_MEMORY ||
	    (fcntl(fd, F_GET_SEALS) & SEALS) != SEALS)
		return NULL;
	p = mmap(NULL, FRAME_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

int frame_send(int fd, const struct frame *f)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)f, .iov_len = sizeof(*f)};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	do
		n = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(*f))
		return 0;
	return n < 0 && (errno == EAGAIN || errno == ENOBUFS) ? -EAGAIN : -EPIPE;
}

int frame_receive(int fd, struct frame *ret)
{
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	do
		n = recvmsg(fd, &h, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : -EPIPE;
	if (n == 0)
		return -EPIPE;
	return n == (ssize_t)sizeof(*ret) && !(h.msg_flags & MSG_TRUNC) ? 0 : -EBADMSG;
}

static const char *const codings[CODING_MAX_] = {
	[CODING_RGB24] = "rgb24", [CODING_RGB32] = "rgb32", [CODING_PNG] = "png",
	[CODING_JPEG] = "jpeg",   [CODING_WEBP] = "webp",   [CODING_SCROLL] = "scroll",
	[CODING_H264] = "h264",   [CODING_H265] = "h265",   [CODING_VP8] = "vp8",
	[CODING_VP9] = "vp9",
};
static const char *const formats[PIXEL_MAX_] = {
	[PIXEL_BGRX] = "BGRX", [PIXEL_BGRA] = "BGRA", [PIXEL_RGBX] = "RGBX",
	[PIXEL_RGBA] = "RGBA", [PIXEL_RGB] = "RGB",   [PIXEL_BGR] = "BGR",
};

const char *coding_name(enum coding c)
{
	return codings[c];
}

const char *pixel_format_name(enum pixel_format p)
{
	return formats[p];
}

unsigned pixel_format_bytes(enum pixel_format p)
{
	return p == PIXEL_RGB || p == PIXEL_BGR ? 3 : 4;
}

static int find(const char *const *names, int n, const char *name, size_t len)
{
	for (int i = 0; i < n; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return i;
	return -EINVAL;
}

int coding_parse(const char *name, size_t len, enum coding *ret)
{
	int i = find(codings, CODING_MAX_, name, len);

	if (i < 0)
		return i;
	*ret = (enum coding)i;
	return 0;
}

int pixel_format_parse(const char *name, size_t len, enum pixel_format *ret)
{
	int i = find(formats, PIXEL_MAX_, name, len);

	if (i < 0)
		return i;
	*ret = (enum pixel_format)i;
	return 0;
}
