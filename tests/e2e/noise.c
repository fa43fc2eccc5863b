// SPDX-License-Identifier: BSD-2-Clause
/* noise MIB: that much of what does not repeat, on standard output. An emulated machine gets it ten times as fast as from /dev/urandom. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static uint64_t block[1 << 17];
	uint64_t s = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid() ^ 1; /* xorshift64: G. Marsaglia, "Xorshift RNGs", 2003 */
	long mib = argc == 2 ? atol(argv[1]) : 0;
	size_t i;

	fprintf(stderr, "# noise: seed %llu\n", (unsigned long long)s);
	while (mib-- > 0) {
		for (i = 0; i < sizeof(block) / sizeof(block[0]); i++) {
			s ^= s << 13;
			s ^= s >> 7;
			s ^= s << 17;
			block[i] = s;
		}
		if (fwrite(block, sizeof(block), 1, stdout) != 1)
			return 1;
	}
	return fflush(stdout) ? 1 : 0;
}
