# SPDX-License-Identifier: BSD-2-Clause
# An HLS source of which each labelled loop counts its turns. Calls that run at the same time on a card are put into the opposite order: in whichever order they are
# carried out, the result must be the same, because they touch different halves of the buffers.
function later() { if (held != "") print held; held = "" }

# nn_conv's chunks: store, then compute, then load_r
/These three at the same time/ { print; print "drain(t, done, y); compute(t, at, &now, half);"; swapped = 1; next }
swapped && /^\t\t(compute\(t, at, &now, half\)|drain\(t, done, y\));$/ { moved++; next }
# nn_conv's tiles: compute_tile, then load
/^\t\tif \(more\)$/ { held = $0; getline; held = held "\n" $0; next }
/^\t\tcompute_tile\(/ { print; moved++; later(); next }

/^[A-Z_]+:$/ { label = substr($0, 1, length($0) - 1) }
label != "" && /^\t*(for|while) \(.*\{$/ { print $0 " NN_COUNT(" label ");"; label = ""; next }
{ print }
END { if (FILENAME ~ /nn_conv.c$/ && moved != 3) { print "counted.awk: nn_conv.c has other calls than are known here" > "/dev/stderr"; exit 1 } }
