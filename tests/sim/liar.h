/* liar.h - what a lying validator does beside and instead of what its core says. It has its own key, everything it ever
 * heard, and no scruples; it cannot sign for others. */
#pragma once

enum lie {
    LIE_PROPOSE_TWICE = 1 << 0,   /* different blocks in one view to different validators */
    LIE_VOTE_TWICE = 1 << 1,      /* for the block and for another one */
    LIE_VOTE_ALL = 1 << 2,        /* for every block it hears of, whatever the view */
    LIE_VOTE_HEIGHT = 1 << 3,     /* for the right block at a wrong height */
    LIE_WITHHOLD = 1 << 4,        /* messages reach some validators only */
    LIE_PROPOSE_STALE = 1 << 5,   /* on old certificates, under a timeout certificate it chose or made up */
    LIE_PROPOSE_INVALID = 1 << 6, /* wrong roots, repeated transactions, a parent not justified, out of turn */
    LIE_TIMEOUT = 1 << 7,         /* claims old or invented certificates; for views to come */
    LIE_CERTIFICATE = 1 << 8,     /* sends malformed, oversized and forged certificates */
    LIE_REPLAY = 1 << 9,          /* says again what it said long ago */
    LIE_SYNC = 1 << 10,           /* answers for blocks with inventions */
    LIE_TIMEOUT_ALWAYS = 1 << 11, /* good timeouts of its view and of views to come, without end */
    LIE_ALL = (1 << 12) - 1,
};
