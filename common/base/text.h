/* text.h - checks on text from outside. Pure. */
#pragma once

#include <stdbool.h>

#include "common/base/span.h"

/* Valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF) without control characters (U+0000-U+001F, U+007F,
 * U+0080-U+009F). */
bool text_is_clean(struct span text);
