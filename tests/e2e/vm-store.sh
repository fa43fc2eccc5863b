#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The embedding store through the driver on two emulated cards: tables on ext4 and on raw namespaces, table- and row-wise, looked up and pooled by both cards; what crosses the host link and
# what is read of the drives; updates; a drive that fails, a card that goes away.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
data=build/e2e-data/store
rm -rf $data
mkdir -p $data build/test-logs
build/tests/e2e/store_batch make $data &&
	printf '%s' '{"arch_mlp_bot": "8-16", "arch_mlp_top": "16-1", "arch_embedding_size": "3000-2000-1000", "arch_sparse_feature_size": 16, "num_indices_per_lookup": 20}' >$data/model.json &&
	build/smartssd trace make --model $data/model.json --queries 200 --zipf 1.0 --seed 3 -o $data/trace.npz >/dev/null
check "data" test $? = 0
build/smartssd vm --kernel debug --cards 2 --fs ext4 --strict --timeout 600 --log build/test-logs/vm-store.klog -- tests/e2e/guest-store.sh
check "guest run and kernel log" test $? = 0
finish
