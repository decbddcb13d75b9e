/* reason.c - the names of the reasons. */
#include "common/base/reason.h"

const char *reason_text(int reason)
{
    static const char *const names[REASON_COUNT] = {[REASON_NONE] = "NONE",
#define REASON_NAME(name) [REASON_##name] = #name,
                                                    REASON_LIST(REASON_NAME)
#undef REASON_NAME
    };
    if (reason < 0 || reason >= REASON_COUNT)
        return "UNKNOWN";
    return names[reason];
}
