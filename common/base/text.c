/* text.c - strict UTF-8 without control characters (Unicode 15, table 3-7: well-formed byte sequences). */
#include "common/base/text.h"

/* What the first byte of a multi-byte character asks of the rest. */
struct text_lead {
    size_t size; /* bytes of the whole character; 0: no character begins like this */
    uint8_t
        second_min; /* the range of the second byte keeps out overlong forms, surrogates and what is above U+10FFFF */
    uint8_t second_max;
};

static struct text_lead text_lead_of(uint8_t first)
{
    if (first == 0xc2)
        return (struct text_lead){2, 0xa0, 0xbf}; /* U+0080-U+009F are control characters */
    if (first >= 0xc3 && first <= 0xdf)
        return (struct text_lead){2, 0x80, 0xbf};
    if (first == 0xe0)
        return (struct text_lead){3, 0xa0, 0xbf};
    if (first == 0xed)
        return (struct text_lead){3, 0x80, 0x9f};
    if (first >= 0xe1 && first <= 0xef)
        return (struct text_lead){3, 0x80, 0xbf};
    if (first == 0xf0)
        return (struct text_lead){4, 0x90, 0xbf};
    if (first >= 0xf1 && first <= 0xf3)
        return (struct text_lead){4, 0x80, 0xbf};
    if (first == 0xf4)
        return (struct text_lead){4, 0x80, 0x8f};
    return (struct text_lead){0};
}

/* Bytes of the clean character at the start of text (not empty), 0 if there is none. */
static size_t text_character(struct span text)
{
    uint8_t first = text.data[0];
    if (first < 0x80)
        return first >= 0x20 && first != 0x7f ? 1 : 0;
    struct text_lead lead = text_lead_of(first);
    if (lead.size == 0 || lead.size > text.size)
        return 0;
    if (text.data[1] < lead.second_min || text.data[1] > lead.second_max)
        return 0;
    for (size_t i = 2; i < lead.size; i++) {
        if (text.data[i] < 0x80 || text.data[i] > 0xbf)
            return 0;
    }
    return lead.size;
}

bool text_is_clean(struct span text)
{
    size_t position = 0;
    while (position < text.size) {
        size_t size = text_character(span_of(text.data + position, text.size - position));
        if (size == 0)
            return false;
        position += size;
    }
    return true;
}
