// SPDX-License-Identifier: BSD-2-Clause
// A host program of the kind that the vendor's examples are: cl2.hpp, buffers on vectors of the host, migrations, a task, profiling; a P2P buffer and a
// file; sub-buffers and several compute units on an out-of-order queue.
#define CL_HPP_CL_1_2_DEFAULT_BUILD
#define CL_HPP_TARGET_OPENCL_VERSION 120
#define CL_HPP_MINIMUM_OPENCL_VERSION 120
#define CL_HPP_ENABLE_PROGRAM_CONSTRUCTION_FROM_ARRAY_COMPATIBILITY 1
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl2.hpp>
#include <CL/cl_ext_xilinx.h>
#include <fcntl.h>
#include <unistd.h>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <vector>

#define OCL_CHECK(error, call)                                                                                     \
	call;                                                                                                      \
	if (error != CL_SUCCESS) {                                                                                 \
		std::cerr << __FILE__ << ":" << __LINE__ << ": " #call ": " << error << std::endl;                 \
		exit(EXIT_FAILURE);                                                                                \
	}

template <typename T> struct aligned_allocator {
	using value_type = T;
	aligned_allocator() {}
	template <typename U> aligned_allocator(const aligned_allocator<U> &) {}
	T *allocate(std::size_t n)
	{
		void *p = nullptr;
		if (posix_memalign(&p, 4096, n * sizeof(T)))
			throw std::bad_alloc();
		return static_cast<T *>(p);
	}
	void deallocate(T *p, std::size_t) { free(p); }
};

static void expect(bool good, const char *what)
{
	if (good)
		return;
	std::cerr << "wrong: " << what << std::endl;
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	const int N = 1 << 16;
	cl_int err;
	cl::Device device;
	std::vector<cl::Platform> platforms;
	bool found = false;

	OCL_CHECK(err, err = cl::Platform::get(&platforms));
	for (auto &platform : platforms) {
		OCL_CHECK(err, std::string name = platform.getInfo<CL_PLATFORM_NAME>(&err));
		if (name != "Xilinx")
			continue;
		std::vector<cl::Device> devices;
		OCL_CHECK(err, err = platform.getDevices(CL_DEVICE_TYPE_ACCELERATOR, &devices));
		expect(!devices.empty(), "no device");
		device = devices[0];
		found = true;
	}
	expect(found, "no platform named Xilinx");
	std::ifstream file(argv[1], std::ifstream::binary);
	std::vector<unsigned char> binary((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
	OCL_CHECK(err, cl::Context context(device, nullptr, nullptr, nullptr, &err));
	OCL_CHECK(err, cl::CommandQueue q(context, device, CL_QUEUE_PROFILING_ENABLE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &err));
	cl::Program::Binaries bins{ { binary.data(), binary.size() } };
	OCL_CHECK(err, cl::Program program(context, { device }, bins, nullptr, &err));
	OCL_CHECK(err, cl::Kernel adder(program, "adder", &err));

	std::vector<int, aligned_allocator<int>> in(N), out(N);
	OCL_CHECK(err, cl::Buffer buffer_in(context, CL_MEM_USE_HOST_PTR | CL_MEM_READ_ONLY, N * sizeof(int), in.data(), &err));
	OCL_CHECK(err, cl::Buffer buffer_out(context, CL_MEM_USE_HOST_PTR | CL_MEM_WRITE_ONLY, N * sizeof(int), out.data(), &err));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++)
			in[i] = i + round;
		OCL_CHECK(err, err = adder.setArg(0, buffer_in));
		OCL_CHECK(err, err = adder.setArg(1, buffer_out));
		OCL_CHECK(err, err = adder.setArg(2, 5));
		OCL_CHECK(err, err = adder.setArg(3, N));
		std::vector<cl::Event> there(1), ran(1), back(1);
		OCL_CHECK(err, err = q.enqueueMigrateMemObjects({ buffer_in }, 0, nullptr, &there[0]));
		OCL_CHECK(err, err = q.enqueueTask(adder, &there, &ran[0]));
		OCL_CHECK(err, err = q.enqueueMigrateMemObjects({ buffer_out }, CL_MIGRATE_MEM_OBJECT_HOST, &ran, &back[0]));
		OCL_CHECK(err, err = back[0].wait());
		for (int i = 0; i < N; i++)
			expect(out[i] == i + round + 5, "migrated result");
		uint64_t start = ran[0].getProfilingInfo<CL_PROFILING_COMMAND_START>(), end = ran[0].getProfilingInfo<CL_PROFILING_COMMAND_END>();
		expect(start < end, "profile");
	}

	// Peer to peer: the file goes into the card by pread().
	char path[] = "/var/tmp/smartssd-client-XXXXXX";
	int fd = mkstemp(path);
	expect(fd >= 0 && write(fd, in.data(), N * sizeof(int)) == ssize_t(N * sizeof(int)), "file");
	fsync(fd);
	int nvme = open(path, O_RDWR | O_DIRECT);
	unlink(path);
	if (nvme < 0)
		nvme = fd;
	cl_mem_ext_ptr_t ext = { XCL_MEM_EXT_P2P_BUFFER, nullptr, nullptr };
	OCL_CHECK(err, cl::Buffer p2p(context, CL_MEM_READ_ONLY | CL_MEM_EXT_PTR_XILINX, N * sizeof(int), &ext, &err));
	OCL_CHECK(err, void *map = q.enqueueMapBuffer(p2p, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, N * sizeof(int), nullptr, nullptr, &err));
	expect(pread(nvme, map, N * sizeof(int), 0) == ssize_t(N * sizeof(int)), "pread into the card");
	OCL_CHECK(err, cl::Kernel copy(program, "copy:{copy_1,copy_2}", &err));
	OCL_CHECK(err, cl::Buffer copied(context, CL_MEM_WRITE_ONLY, N * sizeof(int), nullptr, &err));
	// In four parts, on whichever compute unit is free.
	std::vector<cl::Event> parts(4);
	std::vector<cl::Buffer> subs;
	for (int i = 0; i < 4; i++) {
		cl_buffer_region region = { i * N / 4 * sizeof(int), N / 4 * sizeof(int) };
		OCL_CHECK(err, subs.push_back(p2p.createSubBuffer(CL_MEM_READ_ONLY, CL_BUFFER_CREATE_TYPE_REGION, &region, &err)));
		OCL_CHECK(err, subs.push_back(copied.createSubBuffer(CL_MEM_WRITE_ONLY, CL_BUFFER_CREATE_TYPE_REGION, &region, &err)));
		OCL_CHECK(err, err = copy.setArg(0, subs[2 * i]));
		OCL_CHECK(err, err = copy.setArg(1, subs[2 * i + 1]));
		OCL_CHECK(err, err = copy.setArg(2, cl_ulong(N / 4 * sizeof(int))));
		OCL_CHECK(err, err = q.enqueueTask(copy, nullptr, &parts[i]));
	}
	OCL_CHECK(err, err = q.enqueueReadBuffer(copied, CL_TRUE, 0, N * sizeof(int), out.data(), &parts));
	for (int i = 0; i < N; i++)
		expect(out[i] == in[i], "copied parts");
	OCL_CHECK(err, err = q.enqueueUnmapMemObject(p2p, map));
	OCL_CHECK(err, err = q.finish());
	return 0;
}
