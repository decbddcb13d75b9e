/* events.h - publish one event, or a pair, to partitions of chance. The judge is told what must become of them. */
#pragma once

#include "common/base/hash.h"
#include "common/base/span.h"

void events_begin(void);
void events_good(void);
/* Again what was published before, byte for byte. */
void events_copy(void);
/* Two events of one producer with one nonce. */
void events_nonce_pair(void);
/* Two events of one kind with one id. */
void events_id_pair(void);
void events_bad(void);
/* The body of a transaction that no record has, told to the judge if it is a good one; else its signature or its
 * content's hash is wrong. Valid until the next call. */
struct span events_unpublished(bool good);
