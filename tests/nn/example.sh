#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Documentation/examples/classify.c: built as its first lines say, against the installed headers and the shared library, and run on the trained network. TAP.
# shellcheck source=tests/example.sh
. "$(dirname "$0")/../example.sh"
# shellcheck disable=SC2086
check "it builds with pkg-config's flags" gcc -std=gnu11 -Wall -Wextra -Werror "$root/Documentation/examples/classify.c" $flags -o "$work/classify"
check "it has less than 60 lines" test "$(wc -l <"$root/Documentation/examples/classify.c")" -lt 60
cd "$work" || exit 1
/usr/bin/python3 -B "$root/tests/nn/models/shapes.py" 200 1000001 x.npy l.npy && "$lib/smartssd" quantize "$root/tests/nn/models/shapes.onnx" --calibrate x.npy --mean 0.5 \
	--std 0.25 --output q.onnx >/dev/null && "$lib/smartssd" compile q.onnx --output m.ssp >/dev/null && "$lib/smartssd" run m.ssp --input x.npy --output y.npy >/dev/null
check "a model, and images" test $? = 0
LD_LIBRARY_PATH=$work/lib ./classify m.ssp x.npy >classes 2>said
check "it runs" test $? = 0
check "and says what is on the card" grep -q '[1-9][0-9]* of [0-9]* layers on the card' said
check "the classes are those of smartssd run" /usr/bin/python3 -c "
import numpy as np
assert [int(n) for n in open('classes')] == list(np.load('y.npy').reshape(200, -1).argmax(1))"
check "and right" /usr/bin/python3 -c "
import numpy as np
assert np.mean([int(n) for n in open('classes')] == np.load('l.npy')) > 0.95"
LD_LIBRARY_PATH=$work/lib ./classify q.onnx x.npy >classes 2>said
check "what is no .ssp is refused with the reason" test $? = 1 -a ! -s classes -a -s said
finish
