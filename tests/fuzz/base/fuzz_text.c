/* fuzz_text.c - any bytes as text, judged a second time by decoding code points the slow way. */
#include "tests/fuzz/base/fuzz.h"

#include "common/base/text.h"

/* Decode the character at the start; returns its size, 0 if it is none of the right shape. */
static size_t code_point_read(uint32_t *out, struct span text)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
    } shapes[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t more = 0; more < 4; more++) {
        if ((text.data[0] & shapes[more].mask) != shapes[more].lead)
            continue;
        uint32_t code = text.data[0] & (uint8_t)~shapes[more].mask;
        if (text.size <= more)
            return 0;
        for (size_t i = 1; i <= more; i++) {
            if ((text.data[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (text.data[i] & 0x3f);
        }
        *out = code;
        return code >= shapes[more].least ? more + 1 : 0;
    }
    return 0;
}

static bool is_clean(struct span text)
{
    while (text.size > 0) {
        uint32_t code;
        size_t size = code_point_read(&code, text);
        if (size == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
            return false;
        text = span_of(text.data + size, text.size - size);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size);
    FUZZ_REQUIRE(text_is_clean(text) == is_clean(text));
    return 0;
}
