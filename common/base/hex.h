/* hex.h - lower-case hexadecimal. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"

/* Write 2 * size digits and a zero byte to out (2 * size + 1 bytes). */
void hex_encode(char *out, const uint8_t *data, size_t size);

/* Read exactly 2 * size lower-case digits, then the text must end. Returns 0 or ERR_MALFORMED (out untouched). */
MUST_USE int hex_decode(uint8_t *out, size_t size, const char *text);
