// Streams and events. Work waits in its stream until somebody waits for it, and then no more is run than must be: what
// was not ordered by an event has not happened.
#include <ctime>

#include "state.h"

static double now_ms()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec * 1e-6;
}

static CUresult perform(CUcontext context, const Work &work)
{
    if (context->error) return context->error;
    CUresult result = work();
    if (result) context->error = result;
    return result;
}

CUresult drain(CUstream stream, uint64_t up_to)
{
    while (stream->done < up_to && !stream->queue.empty()) {
        Operation next = std::move(stream->queue.front());
        stream->queue.pop_front();
        perform(stream->context, next.work);
        stream->done++;
    }
    return stream->context->error;
}

// The youngest stream first: streams that no event orders have no order to rely on.
CUresult drain_all(CUcontext context, bool with_non_blocking)
{
    for (size_t i = context->streams.size(); i-- > 0;) {
        CUstream stream = context->streams[i];
        if (with_non_blocking || !(stream->flags & STREAM_NON_BLOCKING)) drain(stream, stream->issued);
    }
    return context->error;
}

static CUresult fail_capture(CUstream stream, CUresult code)
{
    stream->capture->invalidated = true;
    return code;
}

CUresult find_stream(CUstream handle, CUcontext context, CUstream *found)
{
    static thread_local std::map<CUcontext, CUstream> per_thread;
    if (!handle || handle == STREAM_LEGACY) {
        *found = context->legacy;
        return SUCCESS;
    }
    if (handle == STREAM_PER_THREAD) {
        CUstream &mine = per_thread[context];
        if (!mine) context->streams.push_back(mine = new Stream{context, 0, 0, {}, 0, 0, nullptr, {}});
        *found = mine;
        return SUCCESS;
    }
    if (!is_alive(handle)) return INVALID_HANDLE;
    *found = handle;
    return SUCCESS;
}

CUresult issue(CUstream stream, Node node)
{
    if (auto capture = stream->capture) {
        if (capture->invalidated) return CAPTURE_INVALIDATED;
        node.after = stream->last;
        stream->last = {(int)capture->graph->nodes.size()};
        capture->graph->nodes.push_back(std::move(node));
        return SUCCESS;
    }
    for (auto &counted : node.counts) count(counted.first.c_str(), counted.second);
    if (stream != stream->context->legacy) {
        stream->queue.push_back({std::move(node.work)});
        stream->issued++;
        return SUCCESS;
    }
    for (CUstream other : stream->context->streams)
        if (other->capture && !(other->flags & STREAM_NON_BLOCKING)) return fail_capture(other, CAPTURE_IMPLICIT);
    TRY(drain_all(stream->context, false));
    perform(stream->context, node.work);        // an error shows at the next call, as that of a launch does
    stream->issued = ++stream->done;
    return SUCCESS;
}

static thread_local int capture_mode = CAPTURE_GLOBAL;

CUresult forbidden_by_capture()
{
    for (auto &capture : state().captures) {
        bool mine = capture->thread == this_thread();
        bool counts = capture_mode != CAPTURE_RELAXED && capture->mode != CAPTURE_RELAXED
            && (mine || (capture_mode == CAPTURE_GLOBAL && capture->mode == CAPTURE_GLOBAL));
        if (counts) {
            capture->invalidated = true;
            return CAPTURE_UNSUPPORTED;
        }
    }
    return SUCCESS;
}

API cuThreadExchangeStreamCaptureMode(int *mode)
{
    std::swap(*mode, capture_mode);
    return SUCCESS;
}

// ---- streams ----

API cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority)
{
    ENTER_CONTEXT
    if (flags & ~1u) return INVALID_VALUE;
    *stream = new Stream{context, flags, priority, {}, 0, 0, nullptr, {}};
    context->streams.push_back(*stream);
    state().handles.insert(*stream);
    count("streams");
    count("streams_in_use");
    return SUCCESS;
}

API cuStreamCreate(CUstream *stream, unsigned flags) { return cuStreamCreateWithPriority(stream, flags, 0); }

void destroy_stream(CUstream stream)
{
    drain(stream, stream->issued);
    auto &streams = stream->context->streams;
    for (size_t i = 0; i < streams.size(); i++)
        if (streams[i] == stream) streams.erase(streams.begin() + i--);
    if (state().handles.erase(stream)) state().counters["streams_in_use"]--;    // a thread's own is not counted
    delete stream;
}

API cuStreamDestroy_v2(CUstream handle)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (stream == context->legacy) return INVALID_HANDLE;
    if (stream->capture) return fail_capture(stream, CAPTURE_UNSUPPORTED);
    destroy_stream(stream);
    return SUCCESS;
}

API cuStreamSynchronize(CUstream handle)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (stream->capture) return fail_capture(stream, CAPTURE_UNSUPPORTED);
    count("synchronizations");
    return stream == context->legacy ? drain_all(context, false) : drain(stream, stream->issued);
}

// Each question lets one piece of work happen, so a loop that asks comes to an end.
API cuStreamQuery(CUstream handle)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (stream->capture) return fail_capture(stream, CAPTURE_UNSUPPORTED);
    if (stream->queue.empty()) return SUCCESS;
    TRY(drain(stream, stream->done + 1));
    return NOT_READY;
}

API cuStreamGetFlags(CUstream handle, unsigned *flags)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    *flags = stream->flags;
    return SUCCESS;
}

API cuStreamGetPriority(CUstream handle, int *priority)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    *priority = stream->priority;
    return SUCCESS;
}

API cuStreamGetCtx(CUstream handle, CUcontext *result)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    *result = stream->context;
    return SUCCESS;
}

API cuLaunchHostFunc(CUstream handle, void (*function)(void *), void *data)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    return issue(stream, {Node::HOST, [=] { function(data); return SUCCESS; }, nullptr, {}, {}});
}

// ---- events ----

API cuEventCreate(CUevent *event, unsigned flags)
{
    ENTER_CONTEXT
    *event = new Event{context, flags, nullptr};
    state().handles.insert(*event);
    count("events");
    return SUCCESS;
}

API cuEventDestroy_v2(CUevent event)
{
    ENTER
    if (!is_alive(event)) return INVALID_HANDLE;
    state().handles.erase(event);
    delete event;
    return SUCCESS;
}

API cuEventRecord(CUevent event, CUstream handle)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (!is_alive(event)) return INVALID_HANDLE;
    if (stream->context != event->context) return INVALID_HANDLE;       // an event is of the device of its stream
    if (stream->capture && stream->capture->invalidated) return CAPTURE_INVALIDATED;
    Record mark = {stream, stream->issued + 1, false, 0, stream->capture, stream->last};
    auto record = event->record = std::make_shared<Record>(mark);
    if (stream->capture) return SUCCESS;
    return issue(stream, {Node::HOST, [record] {
        record->time_ms = now_ms();
        record->done = true;
        return SUCCESS;
    }, nullptr, {}, {}});
}

static CUresult join_capture(CUstream stream, const Record &record)
{
    if (!record.capture->origin) return INVALID_VALUE;                   // that capture has ended
    if (stream == stream->context->legacy) return CAPTURE_IMPLICIT;
    if (stream->capture && stream->capture != record.capture) return fail_capture(stream, CAPTURE_MERGE);
    if (!stream->capture) {
        stream->capture = record.capture;
        stream->last.clear();
        record.capture->members.insert(stream);
    }
    stream->last.insert(stream->last.end(), record.last.begin(), record.last.end());
    return SUCCESS;
}

API cuStreamWaitEvent(CUstream handle, CUevent event, unsigned)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (!is_alive(event)) return INVALID_HANDLE;
    auto record = event->record;
    if (!record) return SUCCESS;
    if (record->capture) return join_capture(stream, *record);
    if (stream->capture) return fail_capture(stream, CAPTURE_ISOLATION);
    return issue(stream, {Node::HOST, [record] {
        return record->done ? SUCCESS : drain(record->stream, record->at);
    }, nullptr, {}, {}});
}

API cuEventSynchronize(CUevent event)
{
    ENTER
    if (!is_alive(event)) return INVALID_HANDLE;
    auto record = event->record;
    if (record && record->capture) return CAPTURED_EVENT;
    count("synchronizations");
    if (!record || record->done) return event->context->error;
    return drain(record->stream, record->at);
}

API cuEventQuery(CUevent event)
{
    ENTER
    if (!is_alive(event)) return INVALID_HANDLE;
    auto record = event->record;
    if (!record) return SUCCESS;
    if (record->capture) return CAPTURED_EVENT;
    if (record->done) return event->context->error;
    TRY(drain(record->stream, record->stream->done + 1));
    return NOT_READY;
}

API cuEventElapsedTime_v2(float *ms, CUevent first, CUevent second)
{
    ENTER
    if (!is_alive(first) || !is_alive(second) || (first->flags | second->flags) & EVENT_DISABLE_TIMING)
        return INVALID_HANDLE;
    if (!first->record || !second->record) return INVALID_HANDLE;
    if (first->record->capture || second->record->capture) return CAPTURED_EVENT;
    if (!first->record->done || !second->record->done) return NOT_READY;
    *ms = (float)(second->record->time_ms - first->record->time_ms);
    return SUCCESS;
}

API cuEventElapsedTime(float *ms, CUevent first, CUevent second) { return cuEventElapsedTime_v2(ms, first, second); }
