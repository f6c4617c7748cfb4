/* Streams of the device FAKE: copies that are done later, by a thread of the stream, in the order of their calls. */
#ifndef THALWEG_TESTING_FAKE_STREAM_H
#define THALWEG_TESTING_FAKE_STREAM_H
#include <stddef.h>
#include <stdint.h>

typedef struct fake_stream fake_stream;
typedef struct fake_event fake_event;

fake_stream* fake_stream_new(void);
void fake_stream_free(fake_stream* stream); /* after all that was ordered is done */
/* Orders a copy that takes `delay_ns` besides; 0 if there is no memory for it. With `reads_now` the source has been
   read when this returns. */
int fake_stream_copy(fake_stream* stream, void* target, const void* source, size_t n, uint64_t delay_ns,
                     int reads_now);
void fake_stream_sync(fake_stream* stream);

fake_event* fake_event_new(fake_stream* stream); /* happens when all that was ordered before is done; NULL: no memory */
int fake_event_wait(fake_stream* stream, fake_event* event); /* what is ordered from now on is done after it */
int64_t fake_event_ns(fake_event* event);                    /* when it happened; waits for it */
void fake_event_free(fake_event* event);
#endif
