/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/jpeg.c - jpeg by libturbojpeg. Encoder process, locked. System calls: mmap, brk (memory).
 */
#include <turbojpeg.h>

#include "base/macros.h"
#include "encode/soft.h"

/* From here on colours are not halved: text with edges of colour would show it. */
#define WHOLE_COLOURS_FROM 80

struct jpeg {
	tjhandle lib;
	struct encoder_quality quality;
	uint8_t *data; /* of the largest picture so far */
	size_t size;
};

static int load(char why[ENCODER_WHY_MAX])
{
	(void)why;
	return 0;
}

static size_t caps(struct encoder_caps *ret, size_t max)
{
	if (max > 0)
		*ret = (struct encoder_caps){.coding = CODING_JPEG};
	return max > 0;
}

static void jpeg_done(void *enc)
{
	struct jpeg *j = enc;

	if (!j)
		return;
	if (j->lib)
		tjDestroy(j->lib);
	tjFree(j->data);
	free(j);
}

static int jpeg_begin(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX])
{
	struct jpeg *j;

	if (p->coding != CODING_JPEG)
		return soft_fail(why, -EOPNOTSUPP, "not a coding of jpeg");
	j = calloc(1, sizeof(*j));
	if (j)
		j->lib = tjInitCompress();
	if (!j || !j->lib) {
		jpeg_done(j);
		return soft_fail(why, -ENOMEM, "out of memory");
	}
	j->quality = p->quality;
	*ret = j;
	return 0;
}

/* Room for the worst case, so that the library need not look for more itself. */
static int reserve(struct jpeg *j, size_t size)
{
	if (size <= j->size)
		return 0;
	tjFree(j->data);
	j->size = 0;
	j->data = size < INT32_MAX ? tjAlloc((int)size) : NULL;
	if (!j->data)
		return -ENOMEM;
	j->size = size;
	return 0;
}

static int jpeg_picture(void *enc, const struct picture *in, struct encoded *ret)
{
	struct jpeg *j = enc;
	int quality = soft_percent(j->quality.quality), r;
	int colours = quality >= WHOLE_COLOURS_FROM ? TJSAMP_444 : TJSAMP_420;
	unsigned long len;

	if (!soft_picture_ok(in))
		return -EINVAL;
	len = tjBufSize(in->w, in->h, colours);
	r = reserve(j, len);
	if (r < 0)
		return r;
	if (tjCompress2(j->lib, in->pixels, in->w, (int)in->stride, in->h, TJPF_BGRX, &j->data,
	                &len, colours, quality, TJFLAG_NOREALLOC) < 0)
		return -EIO;
	*ret = (struct encoded){j->data, len, true, false};
	return 0;
}

static int jpeg_tune(void *enc, const struct encoder_quality *q)
{
	struct jpeg *j = enc;

	j->quality = *q;
	return 0;
}

const struct encoder encoder = {
	.abi = ENCODER_ABI,
	.name = "jpeg",
	.load = load,
	.caps = caps,
	.open = jpeg_begin,
	.encode = jpeg_picture,
	.tune = jpeg_tune,
	.close = jpeg_done,
	.device = soft_device,
};
