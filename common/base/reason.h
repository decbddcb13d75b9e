/* reason.h - why a record or transaction is refused: the one enumeration for dead letters, metric labels, verdicts and
 * the API. Pure.
 */
#pragma once

#define REASON_LIST(X)                                                                                                 \
    X(MALFORMED)                                                                                                       \
    X(TOO_LARGE)                                                                                                       \
    X(PRODUCER_UNKNOWN)                                                                                                \
    X(PRODUCER_ROLE)                                                                                                   \
    X(PRODUCER_QUARANTINED)                                                                                            \
    X(BAD_SIGNATURE)                                                                                                   \
    X(BAD_CONTENT_HASH)                                                                                                \
    X(CONTENT_RULE)                                                                                                    \
    X(TIMESTAMP_SKEW)                                                                                                  \
    X(BAD_CUSTODY)                                                                                                     \
    X(NONCE_REUSED)                                                                                                    \
    X(ID_CONFLICT)

/* Positive, so that a reason can be returned as a verdict. The order is the order of the checks. */
enum reason {
    REASON_NONE,
#define REASON_ENUM(name) REASON_##name,
    REASON_LIST(REASON_ENUM)
#undef REASON_ENUM
        REASON_COUNT,
};

/* "MALFORMED", ...; "NONE" for 0; "UNKNOWN" for anything else. */
const char *reason_text(int reason);
