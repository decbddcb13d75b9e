/* fuzz_bus_endpoint.c - any text as an endpoint: what is accepted is ipc with a bounded path, or tcp with host and
 * port. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/edge/bus.h"
#include "common/edge/bus_endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    struct bus_endpoint endpoint;
    if (bus_endpoint_parse(&endpoint, text) == 0) {
        assert(strcmp(endpoint.text, text) == 0 && endpoint.address == text + 6);
        if (endpoint.transport == BUS_TRANSPORT_IPC)
            assert(strlen(endpoint.address) >= 1 && strlen(endpoint.address) <= BUS_IPC_PATH_BYTES_MAX);
        else
            assert(endpoint.transport == BUS_TRANSPORT_TCP && strchr(endpoint.address, ':'));
    }
    free(text);
    return 0;
}
