#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Documentation/examples/recommend.c: built as its first lines say, against the installed headers and the shared library, and run on a store. TAP.
# shellcheck source=tests/example.sh
. "$(dirname "$0")/../example.sh"
# shellcheck disable=SC2086
check "it builds with pkg-config's flags" gcc -std=gnu11 -Wall -Wextra -Werror "$root/Documentation/examples/recommend.c" $flags -pthread -o "$work/recommend"
check "it has less than 80 lines" test "$(wc -l <"$root/Documentation/examples/recommend.c")" -lt 80
cd "$work" || exit 1
# All rows are ones: whichever are drawn, a sum of all elements is theirs and the bags' number.
/usr/bin/python3 -c "
import numpy as np
np.save('t.npy', np.ones((10000, 8), 'f4'))"
"$lib/smartssd" table import ones --from t.npy --store s0,s1 --shard row >said 2>&1
check "a store" test $? = 0
LD_LIBRARY_PATH=$work/lib ./recommend s0,s1 ones >out 2>said
check "it runs" test $? = 0 -a ! -s said
check "each thread has the sum of its rows" test "$(grep -c "^thread [0-3]: sum 640000$" out)" = 4
check "queries became batches, and rows stayed in the cache" /usr/bin/python3 -c "
import re
q, b, hits, all = map(int, re.findall('[0-9]+', open('out').read().split('\n')[4]))
assert q == 1000 and b <= 1000 and all == 320000 and hits > all // 4, (q, b, hits, all)"
LD_LIBRARY_PATH=$work/lib ./recommend s0,s1 twos >out 2>said
check "a table that is not there is refused with the reason" test $? = 1 -a ! -s out -a "$(grep -c "no table 'twos'" said)" = 1
finish
