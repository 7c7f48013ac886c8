/* A stand-in for libnvidia-ml.so.1, for machines without an NVIDIA GPU: the calls of nvml.h that the probe makes.
 *
 * Compile: cc -shared -fPIC -o libnvidia-ml.so.1 nvml.c
 * It is told by environment variables what to answer:
 *   STAND_IN_INIT     return code of nvmlInit_v2 (default 0)
 *   STAND_IN_COUNT    return code of nvmlDeviceGetCount_v2 (default 0)
 *   STAND_IN_HANG     "init" or "name": that call never returns, and SIGTERM is ignored
 *   STAND_IN_CRASH    "init" or "name": that call dies by SIGSEGV
 *   STAND_IN_DRIVER   driver version, STAND_IN_CUDA  CUDA version as an integer (12080)
 *   STAND_IN_COMPUTE_MODE, STAND_IN_VIRTUALIZATION  of every device; STAND_IN_LICENSE_STATE  of a vGPU's one feature
 *   STAND_IN_DEVICES  devices separated by ";", each
 *                     name|uuid|major.minor|MiB|bus id|PCI device in hex|MIG (-1 unknown, 0, 1)|instances|handle's code
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID = 2, UNSUPPORTED = 3, NOT_FOUND = 6, MOST = 16, MIG_MOST = 7 };

struct device {
    char name[96], uuid[96], bus[32];
    int major, minor, mig, instances, code;
    unsigned long long mib;
    unsigned int pci;
};

struct pci_info {
    char bus_legacy[16];
    unsigned int domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

struct memory {
    unsigned long long total, free, used;
};

static struct device devices[MOST];
static unsigned int count;

static int number(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value && *value ? atoi(value) : otherwise;
}

static void misbehave(const char *where) {
    const char *hang = getenv("STAND_IN_HANG"), *crash = getenv("STAND_IN_CRASH");
    if (hang && strcmp(hang, where) == 0) {
        signal(SIGTERM, SIG_IGN);
        for (;;) pause();
    }
    if (crash && strcmp(crash, where) == 0) raise(SIGSEGV);
}

static int copy(const char *text, char *buffer, unsigned int length) {
    snprintf(buffer, length, "%s", text);
    return OK;
}

int nvmlInit_v2(void) {
    const char *given = getenv("STAND_IN_DEVICES");
    char *list = strdup(given ? given : ""), *rest = list, *one;
    misbehave("init");
    count = 0;
    while ((one = strsep(&rest, ";")) && *one && count < MOST) {
        struct device *d = &devices[count++];
        sscanf(one, "%95[^|]|%95[^|]|%d.%d|%llu|%31[^|]|%x|%d|%d|%d", d->name, d->uuid, &d->major, &d->minor, &d->mib,
               d->bus, &d->pci, &d->mig, &d->instances, &d->code);
    }
    free(list);
    return number("STAND_IN_INIT", OK);
}

int nvmlShutdown(void) { return OK; }

int nvmlDeviceGetComputeMode(void *handle, int *mode) {
    (void)handle;
    *mode = number("STAND_IN_COMPUTE_MODE", 0);
    return OK;
}

int nvmlDeviceGetVirtualizationMode(void *handle, int *mode) {
    (void)handle;
    *mode = number("STAND_IN_VIRTUALIZATION", 0);
    return OK;
}

struct license_expiry {
    unsigned int year;
    unsigned short month, day, hour, min, sec;
    unsigned char status;
};

struct license_feature {
    int code;
    unsigned int state;
    char information[128], product[128];
    unsigned int enabled;
    struct license_expiry expiry;
};

struct license_features {
    int supported;
    unsigned int count;
    struct license_feature features[3];
};

int nvmlDeviceGetGridLicensableFeatures_v4(void *handle, struct license_features *found) {
    (void)handle;
    memset(found, 0, sizeof *found);
    found->supported = 1;
    found->count = 1;
    found->features[0].state = (unsigned int)number("STAND_IN_LICENSE_STATE", 0);
    return OK;
}

int nvmlSystemGetDriverVersion(char *buffer, unsigned int length) {
    const char *version = getenv("STAND_IN_DRIVER");
    return version ? copy(version, buffer, length) : 999;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) {
    *version = number("STAND_IN_CUDA", 12080);
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned int *total) {
    *total = count;
    return number("STAND_IN_COUNT", OK);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, struct device **handle) {
    if (index >= count) return INVALID;
    *handle = &devices[index];
    return devices[index].code;
}

int nvmlDeviceGetName(struct device *d, char *buffer, unsigned int length) {
    misbehave("name");
    return copy(d->name, buffer, length);
}

int nvmlDeviceGetUUID(struct device *d, char *buffer, unsigned int length) { return copy(d->uuid, buffer, length); }

int nvmlDeviceGetCudaComputeCapability(struct device *d, int *major, int *minor) {
    *major = d->major;
    *minor = d->minor;
    return OK;
}

int nvmlDeviceGetMemoryInfo(struct device *d, struct memory *memory) {
    memory->total = d->mib << 20;
    memory->free = memory->total;
    memory->used = 0;
    return OK;
}

int nvmlDeviceGetPciInfo_v3(struct device *d, struct pci_info *info) {
    memset(info, 0, sizeof *info);
    info->pci_device_id = d->pci << 16 | 0x10DE;
    return copy(d->bus, info->bus_id, sizeof info->bus_id);
}

int nvmlDeviceGetMigMode(struct device *d, unsigned int *current, unsigned int *pending) {
    if (d->mig < 0) return UNSUPPORTED;
    *current = *pending = (unsigned int)d->mig;
    return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(struct device *d, unsigned int *most) {
    (void)d;
    *most = MIG_MOST;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(struct device *d, unsigned int index, struct device **handle) {
    /* Instances need not be the first ones: here they are the last. */
    if (index < (unsigned int)(MIG_MOST - d->instances)) return NOT_FOUND;
    *handle = d;
    return OK;
}
