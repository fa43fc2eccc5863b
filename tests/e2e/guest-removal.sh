#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the guest: the driver unbound and cards lost, in mid-I/O and with live mappings. TAP.
. tests/tap.sh
export SMARTSSD_TEST_DIR=/mnt/ssd0
tk=build/tests/uapi/tk.xclbin
churn=build/tests/e2e/churn
pci0=$(basename "$(readlink -f /sys/class/smartssd/smartssd0/device)")
pci1=$(basename "$(readlink -f /sys/class/smartssd/smartssd1/device)")
bus=/sys/bus/pci/drivers/smartssd

start_churn() { # CARD
	SMARTSSD_DEVICE=/dev/smartssd$1 $churn "/mnt/ssd$1/churn.dat" $tk 60 >"/tmp/churn$1" 2>&1 &
	pid=$!
	for _ in $(seq 200); do
		grep -q running "/tmp/churn$1" && break
		sleep 0.1
	done
	sleep 1
}

end_churn() { # CARD TEXT
	wait $pid
	code=$?
	sed 's/^/# /' "/tmp/churn$1"
	result $code "$2 (exit $code)"
}

echo "# a copy that waits for its caller's memory"
build/tests/e2e/drv_stuck /mnt/ssd1 "$pci0"

for round in 1 2; do
	start_churn 0
	check "unbind during I/O, round $round" timeout 30 bash -c "echo $pci0 >$bus/unbind"
	end_churn 0 "the load saw the card go, with the right errors"
	check "bind again" bash -c "echo $pci0 >$bus/bind"
	for _ in $(seq 100); do [ -e /dev/smartssd0 ] && break; sleep 0.1; done
	check "and it works" env SMARTSSD_DEVICE=/dev/smartssd0 build/tests/uapi/cu -t runs -t thousand_runs
done

start_churn 1
echo "kill-card 1" >/run/smartssd-vm/request
end_churn 1 "card process killed in mid-run: the load saw the card go"
check "unbind a dead card" timeout 60 bash -c "echo $pci1 >$bus/unbind"
check "the other card still works" env SMARTSSD_DEVICE=/dev/smartssd0 build/tests/uapi/bo

start_churn 0
check "PCI remove during I/O" timeout 60 bash -c "echo 1 >/sys/bus/pci/devices/$pci0/remove"
end_churn 0 "the load saw the device go"
check "unmount afterwards" umount /mnt/ssd0
finish
