/* A stand-in for libcuda.so.1, for machines without an NVIDIA GPU: the calls that tools/gpu_proof makes.
 *
 * Compile: cc -shared -fPIC -o libcuda.so.1 cuda.c
 * STAND_IN_PTX is the newest PTX version that it compiles, as 87 for 8.7; newer ones are answered 222.
 * STAND_IN_CUDA_INIT is the answer of cuInit (default 0).
 */
#include <stdio.h>
#include <stdlib.h>

static int number(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}

int cuInit(unsigned flags) { return flags ? 1 : number("STAND_IN_CUDA_INIT", 0); }

int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 9 : 0;
    return device;
}

int cuDevicePrimaryCtxRetain(void **context, int device) { *context = context; return device; }

int cuDevicePrimaryCtxRelease_v2(int device) { return device; }

int cuCtxSetCurrent(void *context) { return context ? 0 : 201; }

int cuModuleLoadData(void **module, const char *image) {
    int major = 0, minor = 0, arch = 0;
    *module = NULL;
    if (sscanf(image, ".version %d.%d .target sm_%d", &major, &minor, &arch) != 3 || arch != 75)
        return 218;
    return 10 * major + minor <= number("STAND_IN_PTX", 87) ? 0 : 222;
}
