// Stream capture and CUDA graphs.
#include <algorithm>

#include "state.h"

API cuStreamBeginCapture_v2(CUstream handle, int mode)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (stream == context->legacy) return CAPTURE_UNSUPPORTED;
    if (stream->capture || mode < CAPTURE_GLOBAL || mode > CAPTURE_RELAXED) return INVALID_VALUE;
    Capture capture = {std::make_shared<Graph>(), stream, mode, this_thread(), false, {stream}};
    stream->capture = std::make_shared<Capture>(capture);
    stream->last.clear();
    state().captures.push_back(stream->capture);
    return SUCCESS;
}

// Whether all nodes come before the last ones of the stream that the capture began in.
static bool all_joined(const Graph &graph, const std::vector<int> &last)
{
    std::vector<bool> reached(graph.nodes.size());
    std::vector<int> to_do = last;
    while (!to_do.empty()) {
        int i = to_do.back();
        to_do.pop_back();
        if (reached[i]) continue;
        reached[i] = true;
        to_do.insert(to_do.end(), graph.nodes[i].after.begin(), graph.nodes[i].after.end());
    }
    return std::find(reached.begin(), reached.end(), false) == reached.end();
}

API cuStreamEndCapture(CUstream handle, CUgraph *result)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    auto capture = stream->capture;
    *result = nullptr;
    if (!capture) return INVALID_VALUE;
    if (capture->origin != stream) return CAPTURE_UNMATCHED;
    if (capture->mode != CAPTURE_RELAXED && capture->thread != this_thread()) return CAPTURE_WRONG_THREAD;
    bool joined = all_joined(*capture->graph, stream->last);
    for (CUstream member : capture->members) {
        member->capture = nullptr;
        member->last.clear();
    }
    capture->origin = nullptr;
    auto &captures = state().captures;
    captures.erase(std::find(captures.begin(), captures.end(), capture));
    if (capture->invalidated) return CAPTURE_INVALIDATED;
    if (!joined) return CAPTURE_UNJOINED;
    *result = new Graph(*capture->graph);
    state().handles.insert(*result);
    return SUCCESS;
}

API cuStreamIsCapturing(CUstream handle, int *result)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    *result = !stream->capture ? 0 : stream->capture->invalidated ? 2 : 1;
    return SUCCESS;
}

// ---- graphs ----

// The nodes in an order that their edges allow, and that turns round whatever no edge orders.
static std::shared_ptr<Graph> arranged(const Graph &graph)
{
    auto result = std::make_shared<Graph>();
    std::vector<bool> placed(graph.nodes.size());
    auto is_ready = [&](int i) {
        const auto &after = graph.nodes[i].after;
        return !placed[i] && std::all_of(after.begin(), after.end(), [&](int k) { return placed[k]; });
    };
    while (result->nodes.size() < graph.nodes.size())
        for (int i = (int)graph.nodes.size(); i-- > 0;)
            if (is_ready(i)) {
                result->nodes.push_back(graph.nodes[i]);
                placed[i] = true;
                break;
            }
    return result;
}

CUresult run_graph(const Graph &graph)
{
    for (const Node &node : graph.nodes)
        if (CUresult failed = node.work()) return failed;
    return SUCCESS;
}

API cuGraphInstantiateWithFlags(CUgraphExec *result, CUgraph graph, unsigned long long)
{
    ENTER_CONTEXT
    if (!is_alive(graph)) return INVALID_VALUE;
    if (planted("graph")) return OUT_OF_MEMORY;
    *result = new GraphExec{context, arranged(*graph)};
    state().handles.insert(*result);
    count("graph_instantiations");
    return SUCCESS;
}

API cuGraphInstantiate_v2(CUgraphExec *result, CUgraph graph, CUgraphNode *, char *, size_t)
{
    return cuGraphInstantiateWithFlags(result, graph, 0);
}

API cuGraphLaunch(CUgraphExec exec, CUstream handle)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (!is_alive(exec)) return INVALID_VALUE;
    std::map<std::string, unsigned long long> counts;
    for (const Node &node : exec->graph->nodes)
        for (auto &counted : node.counts)
            counts[counted.first == "launches" ? "graph_kernels" : counted.first] += counted.second;
    counts["graph_launches"]++;
    auto graph = exec->graph;                   // replaced, not changed, by an update
    return issue(stream, {Node::GRAPH, [graph] { return run_graph(*graph); }, nullptr, counts, {}});
}

API cuGraphUpload(CUgraphExec exec, CUstream) { return is_alive(exec) ? SUCCESS : INVALID_VALUE; }

API cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo *info)
{
    enum { TOPOLOGY_CHANGED = 2, NODE_TYPE_CHANGED = 3, FUNCTION_CHANGED = 4 };
    ENTER
    if (!is_alive(exec) || !is_alive(graph)) return INVALID_VALUE;
    auto fresh = arranged(*graph);
    auto &old = exec->graph->nodes;
    int result = old.size() != fresh->nodes.size() ? TOPOLOGY_CHANGED : 0;
    for (size_t i = 0; !result && i < old.size(); i++) {
        const Node &was = old[i], &is = fresh->nodes[i];
        result = was.after != is.after ? TOPOLOGY_CHANGED : was.kind != is.kind ? NODE_TYPE_CHANGED
            : was.kernel != is.kernel ? FUNCTION_CHANGED : 0;
    }
    if (info) *info = {result, nullptr, nullptr};
    if (result) return GRAPH_EXEC_UPDATE_FAILURE;
    exec->graph = fresh;
    count("graph_updates");
    return SUCCESS;
}

API cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *number)
{
    ENTER
    if (!is_alive(graph)) return INVALID_VALUE;
    for (size_t i = 0; nodes && i < *number; i++) nodes[i] = i < graph->nodes.size() ? &graph->nodes[i] : nullptr;
    if (!nodes || *number > graph->nodes.size()) *number = graph->nodes.size();
    return SUCCESS;
}

API cuGraphExecDestroy(CUgraphExec exec)
{
    ENTER
    if (!is_alive(exec)) return INVALID_VALUE;
    state().handles.erase(exec);
    delete exec;                                // launches that wait hold what they run
    return SUCCESS;
}

API cuGraphDestroy(CUgraph graph)
{
    ENTER
    if (!is_alive(graph)) return INVALID_VALUE;
    state().handles.erase(graph);
    delete graph;
    return SUCCESS;
}
