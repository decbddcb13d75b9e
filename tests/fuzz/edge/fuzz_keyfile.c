/* fuzz_keyfile.c - any bytes as a key file: what is accepted is 64 hex digits, and nothing else is written. */
#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/fuzz-keyfile-XXXXXX";
static int fd = -1;

static void end(void)
{
    close(fd);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (fd < 0) {
        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
            abort();
        atexit(end);
    }
    if (pwrite(fd, data, size, 0) != (ssize_t)size || ftruncate(fd, (off_t)size) < 0)
        abort();
    uint8_t key[KEYFILE_KEY_BYTES];
    memset(key, 0xa5, sizeof key);
    int rc = keyfile_read(path, key);
    assert(rc == 0 || rc == ERR_MALFORMED);
    if (rc == 0) {
        assert(size == 64 || (size == 65 && data[64] == '\n'));
        for (size_t i = 0; i < 64; i++)
            assert(isxdigit(data[i]));
    } else {
        for (size_t i = 0; i < sizeof key; i++)
            assert(key[i] == 0xa5);
    }
    return 0;
}
