/* fast_sign.h - a keyed hash in the place of Ed25519, in test programs that are linked with fast_sign_link_args. */
#pragma once

#include <assert.h>
#include <stdbool.h>

#include "common/base/sign.h"

/* true: real Ed25519 after all. Set it before the first signature. */
extern bool fast_sign_real;
