/* hex.c - lower-case hexadecimal. */
#include "common/base/hex.h"

#include "common/base/err.h"

void hex_encode(char *out, const uint8_t *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * size] = '\0';
}

/* The value of a digit, or -1. */
static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

int hex_decode(uint8_t *out, size_t size, const char *text)
{
    for (size_t i = 0; i < 2 * size; i++) {
        if (hex_value(text[i]) < 0)
            return ERR_MALFORMED;
    }
    if (text[2 * size] != '\0')
        return ERR_MALFORMED;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(hex_value(text[2 * i]) * 16 + hex_value(text[2 * i + 1]));
    return 0;
}
