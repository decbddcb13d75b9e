/* fuzz_hex.c - any text as hex: what is read, written again, is the same text. */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/hex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *again = malloc(size + 2);
    uint8_t *bytes = malloc(size / 2 + 1);
    FUZZ_REQUIRE(text && again && bytes);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (hex_decode(bytes, size / 2, text) == 0) {
        hex_encode(again, bytes, size / 2);
        FUZZ_REQUIRE(strcmp(text, again) == 0);
    }
    free(text);
    free(again);
    free(bytes);
    return 0;
}
