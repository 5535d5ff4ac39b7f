/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/replay.c - a fuzz target without a fuzzer: runs it over the files it is given, so that
 * every input that ever crashed stays a test with any compiler.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char *argv[])
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		long size;
		uint8_t *data;

		if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0) {
			perror(argv[i]);
			return 1;
		}
		rewind(f);
		data = malloc(size ? (size_t)size
		                   : 1); /* exactly as large: ASan sees an overread */
		if (!data || fread(data, 1, (size_t)size, f) != (size_t)size) {
			perror(argv[i]);
			return 1;
		}
		fclose(f);
		(void)LLVMFuzzerTestOneInput(data, (size_t)size);
		free(data);
	}
	return 0;
}
