// The border between the program and its GPU part, libflextron_cuda.so: plain C data and one table of functions.
//
// The plug-in is compiled by nvcc, knows no LibTorch, and is opened at run time where there is a driver. The program
// finds one symbol in it, `flextron_cuda_plugin`, and uses the table only if `abi` is the number it was built with.
// Functions return 0, or 1 with a sentence in `message`; none throws. They may be called from any thread.
#ifndef FLEXTRON_CUDA_PLUGIN_H
#define FLEXTRON_CUDA_PLUGIN_H

#include <stdint.h>

// Raised with every change of this file.
#define FLEXTRON_CUDA_ABI 1
#define FLEXTRON_CUDA_SYMBOL "flextron_cuda_plugin"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FlextronCudaMessage {
    char text[512]; // ends in 0
} FlextronCudaMessage;

typedef struct FlextronCudaDevice {
    char name[256];
    int32_t compute_major;
    int32_t compute_minor;
    int32_t multiprocessors;
    int32_t reserved;
    uint64_t total_bytes; // of the device's memory
    uint64_t free_bytes;  // at the time of the call
    uint64_t l2_bytes;    // of the cache between it and the multiprocessors
} FlextronCudaDevice;

typedef struct FlextronCudaRead {
    double median_bytes_per_second;
    double slowest_bytes_per_second;
    double fastest_bytes_per_second;
    uint64_t bytes;  // read in one repeat
    int32_t repeats; // timed ones
    uint32_t fold;   // exclusive or of all 32-bit words read: foldOfPattern(bytes / 4) of engine/cuda/pattern.h
} FlextronCudaRead;

typedef struct FlextronCudaPlugin {
    int32_t abi;
    int32_t runtime_version; // of the CUDA toolkit: 13000 is 13.0

    // How many GPUs the driver shows.
    int (*device_count)(int32_t* count, FlextronCudaMessage* message);
    int (*describe_device)(int32_t index, FlextronCudaDevice* device, FlextronCudaMessage* message);
    // Reads `bytes` (a multiple of 16) of device memory `repeats` times and times each. Take many times the cache.
    int (*measure_read)(int32_t index, uint64_t bytes, int32_t repeats, FlextronCudaRead* result,
                        FlextronCudaMessage* message);
} FlextronCudaPlugin;

typedef const FlextronCudaPlugin* (*FlextronCudaEntry)(void);

#ifdef __cplusplus
}
#endif

#endif
