/* err.c - texts of the project's error codes. */
#include "common/base/err.h"

#include <string.h>

const char *err_text(int rc)
{
    switch (rc) {
#define ERR_CASE(code, text)                                                                                           \
    case code:                                                                                                         \
        return text;
        ERR_LIST(ERR_CASE)
#undef ERR_CASE
    default:
        return strerror(-rc);
    }
}
