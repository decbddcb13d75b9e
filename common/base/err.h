/* err.h - the error convention.
 *
 * An int result is 0 (success), < 0 (failure: -errno or one of the codes below, passed up unchanged) or > 0 (a verdict
 * from the function's own enum, handled by the caller and never passed up).
 *
 * Pure.
 */
#pragma once

#define ERR_LIST(X)                                                                                                    \
    X(ERR_MALFORMED, "malformed input")                                                                                \
    X(ERR_TOO_LARGE, "input above its size limit")                                                                     \
    X(ERR_VERSION, "unknown frame version")                                                                            \
    X(ERR_PEER_GONE, "peer is gone")                                                                                   \
    X(ERR_UNAUTHENTICATED, "peer is not allowed")                                                                      \
    X(ERR_CONFIG, "configuration is not valid")                                                                        \
    X(ERR_PERMISSIONS, "file or directory permissions are too open")                                                   \
    X(ERR_CORRUPT, "stored data is corrupt")                                                                           \
    X(ERR_FULL, "capacity reached")                                                                                    \
    X(ERR_NOT_FOUND, "not found")                                                                                      \
    X(ERR_CONFLICT, "stored data differs from what is written")                                                        \
    X(ERR_RETRY, "may succeed when tried again")

enum err_code {
    ERR_FIRST_ = -4096 - 64, /* Linux errno values are 1..4095 */
#define ERR_ENUM(code, text) code,
    ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
};

/* Text of a negative result: ours, or strerror's. Never NULL; not thread-safe for unknown errno values only. */
const char *err_text(int rc);
