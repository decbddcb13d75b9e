/* attr.h - compiler attributes and ownership helpers.
 *
 * Pure: macros only.
 */
#pragma once

#define MUST_USE __attribute__((warn_unused_result))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define PRINTF_LIKE(format_index, args_index) __attribute__((format(printf, format_index, args_index)))

/* Hand the pointer's value out and leave NULL behind: the end of a CLEANUP variable's ownership. */
#define TAKE(ptr)                                                                                                      \
    __extension__({                                                                                                    \
        __typeof__(ptr) taken_ = (ptr);                                                                                \
        (ptr) = NULL;                                                                                                  \
        taken_;                                                                                                        \
    })

/* Make a destructor of a foreign type usable with CLEANUP. */
#define DEFINE_CLEANUP(name, type, destroy)                                                                            \
    static inline void name(type **ref)                                                                                \
    {                                                                                                                  \
        if (*ref)                                                                                                      \
            destroy(*ref);                                                                                             \
        *ref = NULL;                                                                                                   \
    }

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))
