/** JavaScript's answers, taken out of their arguments. Wrong ones throw a TypeError, and the ticket stays unanswered. */
#include <cerrno>

#include "parse.hh"
#include "residents_face.hh"
#include "session_face.hh"
#include "session_rows.hh"
#include "session_tree.hh"

namespace cairn {

namespace {

struct View {
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  std::size_t length = 0;
};

bool viewOf(Napi::Value value, napi_typedarray_type type, View& view) {
  bool isView = false;
  if (napi_is_typedarray(value.Env(), value, &isView) != napi_ok || !isView) return false;
  napi_get_typedarray_info(value.Env(), value, &view.type, &view.length, &view.data, nullptr, nullptr);
  return view.type == type;
}

std::string_view textOf(const View& view) { return {static_cast<const char*>(view.data), view.length}; }

double numberOf(Napi::Value value) {
  double number = 0;
  napi_get_value_double(value.Env(), value, &number);
  return number;
}

std::uint64_t wholeOf(Napi::Value value) { return wholeFrom(numberOf(value)); }

Napi::Value refuse(Napi::Env env, const char* sentence) {
  Napi::TypeError::New(env, sentence).ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace

Napi::Value SessionFace::answerNode(const Napi::CallbackInfo& call) {
  View row;
  if (!viewOf(call[1], napi_float64_array, row) || row.length < kNodeRow) return refuse(call.Env(), "no node row");
  if (session_) session_->answerNode(wholeOf(call[0]), nodeFromRow(static_cast<const double*>(row.data)));
  return call.Env().Undefined();
}

Napi::Value SessionFace::learn(const Napi::CallbackInfo& call) {
  View row;
  if (!viewOf(call[0], napi_float64_array, row) || row.length < kNodeRow) return refuse(call.Env(), "no node row");
  if (session_) session_->known().keepNode(nodeFromRow(static_cast<const double*>(row.data)));
  return call.Env().Undefined();
}

Napi::Value SessionFace::answerText(const Napi::CallbackInfo& call) {
  View text;
  if (!viewOf(call[1], napi_uint8_array, text)) return refuse(call.Env(), "text must be a Uint8Array");
  if (session_) session_->answerText(wholeOf(call[0]), textOf(text), wholeOf(call[2]));
  return call.Env().Undefined();
}

Napi::Value SessionFace::answerList(const Napi::CallbackInfo& call) {
  View rows;
  View names;
  if (!viewOf(call[2], napi_float64_array, rows) || !viewOf(call[3], napi_uint8_array, names)) {
    return refuse(call.Env(), "a page is rows and names");
  }
  if (!session_) return call.Env().Undefined();
  const std::uint64_t ticket = wholeOf(call[0]);
  const std::uint64_t cookie = wholeOf(call[1]);
  const bool last = call[4].ToBoolean();
  const std::uint64_t parent = wholeOf(call[5]);
  const Milliseconds valid = wholeOf(call[6]);
  const auto flight = session_->flights().look(ticket);
  if (!flight) return call.Env().Undefined();
  Known& known = session_->known();
  auto page = pageFromRows(static_cast<const double*>(rows.data), rows.length / kNodeRow, textOf(names), cookie == 0,
                           flight->node, parent, [&](const Node& node, std::string_view name) {
                             known.keepNode(node);
                             known.keepName(flight->node, name, node.attributes.inode, node.valid);
                           });
  if (!page) return refuse(call.Env(), "names are not as long as their rows say");
  page->last = last;
  session_->answerList(ticket, cookie == 0 ? 0 : cookie + kOffsetAfterDots, std::move(page), valid);
  return call.Env().Undefined();
}

Napi::Value SessionFace::answerRead(const Napi::CallbackInfo& call) {
  if (!call[1].IsArray()) return refuse(call.Env(), "a read is answered with an array of Uint8Array");
  if (!session_) return call.Env().Undefined();
  const auto slices = call[1].As<Napi::Array>();
  const std::uint32_t count = slices.Length();
  std::vector<iovec> pieces(1);
  pieces.reserve(count + 1);
  for (std::uint32_t i = 0; i < count; i += 1) {
    View slice;
    if (!viewOf(slices.Get(i), napi_uint8_array, slice)) return refuse(call.Env(), "a slice must be a Uint8Array");
    if (slice.length > 0) pieces.push_back({slice.data, slice.length});
  }
  session_->answerRead(wholeOf(call[0]), pieces);
  return call.Env().Undefined();
}

Napi::Value SessionFace::answerResident(const Napi::CallbackInfo& call) {
  return Napi::Boolean::New(call.Env(), !session_ || session_->answerResident(wholeOf(call[0])));
}

Napi::Value SessionFace::answerStatistics(const Napi::CallbackInfo& call) {
  if (session_) session_->answerStatistics(wholeOf(call[0]), wholeOf(call[1]), wholeOf(call[2]));
  return call.Env().Undefined();
}

Napi::Value SessionFace::answerError(const Napi::CallbackInfo& call) {
  if (session_) {
    session_->answerError(wholeOf(call[0]), static_cast<int>(numberOf(call[1])), wholeOf(call[2]));
  }
  return call.Env().Undefined();
}

Napi::Value SessionFace::addTable(const Napi::CallbackInfo& call) {
  View rows;
  if (!viewOf(call[0], napi_uint8_array, rows) || rows.length % 40 != 0) {
    return refuse(call.Env(), "an index is rows of 40 bytes");
  }
  auto residents = ResidentsFace::of(call[1]);
  if (!residents) return refuse(call.Env(), "an index comes with the chunks of it that are in memory");
  if (!session_) return Napi::Number::New(call.Env(), -1);
  held_.push_back(Napi::Persistent(call[0].As<Napi::Object>()));
  const auto* bytes = static_cast<const std::uint8_t*>(rows.data);
  std::shared_ptr<const ChunkFiles> files;
  if (call[2].IsObject()) {
    const auto where = call[2].As<Napi::Object>();
    DigestName digest;
    if (!where.Get("directory").IsString() || !where.Get("suffix").IsString()) {
      return refuse(call.Env(), "files of chunks have a directory and a suffix");
    }
    if (!parseDigest(where.Get("digest"), digest)) return call.Env().Undefined();
    files = std::make_shared<const ChunkFiles>(where.Get("directory").As<Napi::String>().Utf8Value(),
                                               where.Get("suffix").As<Napi::String>().Utf8Value(), digest);
  }
  IndexRows index(bytes, rows.length / 40, nullptr);
  const std::uint32_t table = session_->contents().addTable(std::move(index), std::move(residents), std::move(files));
  return Napi::Number::New(call.Env(), table);
}

Napi::Value SessionFace::addTree(const Napi::CallbackInfo& call) {
  if (!call[0].IsObject() || !call[1].IsObject()) return refuse(call.Env(), "a tree is a table, and how to show it");
  const auto table = call[0].As<Napi::Object>();
  const auto wishes = call[1].As<Napi::Object>();
  View rows;
  View heap;
  View firstChild;
  View children;
  if (!viewOf(table.Get("rows"), napi_uint8_array, rows) || rows.length % sizeof(TreeRow) != 0 ||
      !viewOf(table.Get("heap"), napi_uint8_array, heap) ||
      !viewOf(table.Get("firstChild"), napi_uint32_array, firstChild) ||
      firstChild.length != rows.length / sizeof(TreeRow) + 1 ||
      !viewOf(table.Get("children"), napi_uint32_array, children)) {
    return refuse(call.Env(), "a tree table is rows of 64 bytes, a heap, and who lies in which directory");
  }
  if (!session_) return call.Env().Undefined();
  for (const char* part : {"rows", "heap", "firstChild", "children"}) {
    held_.push_back(Napi::Persistent(table.Get(part).As<Napi::Object>()));
  }
  const auto number = [&](const char* name) -> std::optional<std::uint32_t> {
    const Napi::Value value = wishes.Get(name);
    if (!value.IsNumber()) return std::nullopt;
    return static_cast<std::uint32_t>(wholeOf(value));
  };
  const TreeRows::Memory memory{static_cast<const std::uint8_t*>(rows.data),
                                rows.length / sizeof(TreeRow),
                                static_cast<const std::uint8_t*>(heap.data),
                                heap.length,
                                static_cast<const std::uint32_t*>(firstChild.data),
                                static_cast<const std::uint32_t*>(children.data),
                                children.length};
  const Ownership ownership{number("uid"), number("gid"), number("umask").value_or(0)};
  session_->answerFrom(std::make_unique<TreeAnswers>(memory, wholeOf(table.Get("archiveSize")), ownership,
                                                     number("content").value_or(kNoTable)));
  return call.Env().Undefined();
}

Napi::Value SessionFace::addFile(const Napi::CallbackInfo& call) {
  View rows;
  View memory;
  if (!viewOf(call[1], napi_biguint64_array, rows) || rows.length % 3 != 0 ||
      !viewOf(call[2], napi_uint8_array, memory)) {
    return refuse(call.Env(), "a pieced file is rows of three u64, and memory");
  }
  if (!session_) return call.Env().Undefined();
  held_.push_back(Napi::Persistent(call[1].As<Napi::Object>()));
  held_.push_back(Napi::Persistent(call[2].As<Napi::Object>()));
  session_->contents().addFile(wholeOf(call[0]), PiecedFile(static_cast<const std::uint64_t*>(rows.data),
                                                            rows.length / 3,
                                                            static_cast<const std::uint8_t*>(memory.data),
                                                            memory.length));
  return call.Env().Undefined();
}

Napi::Value SessionFace::invalidate(const Napi::CallbackInfo& call) {
  if (!session_) return call.Env().Undefined();
  View name;
  if (viewOf(call[1], napi_uint8_array, name)) session_->invalidateName(wholeOf(call[0]), textOf(name));
  else session_->invalidateNode(wholeOf(call[0]));
  return call.Env().Undefined();
}

Napi::Value SessionFace::abandoned(const Napi::CallbackInfo& call) {
  auto tickets = Napi::Array::New(call.Env());
  if (!session_) return tickets;
  std::uint32_t count = 0;
  for (const std::uint64_t ticket : session_->abandoned(std::chrono::milliseconds(wholeOf(call[0])))) {
    tickets.Set(count, static_cast<double>(ticket));
    count += 1;
  }
  return tickets;
}

Napi::Value SessionFace::close(const Napi::CallbackInfo& call) {
  if (!session_) return call.Env().Undefined();
  session_->stop();
  const std::vector<Message> messages{Message(Topic::ended)};
  callHandler(call.Env(), messages, 0, writeBatch(messages, 0));
  finish(call.Env());
  return call.Env().Undefined();
}

Napi::Value SessionFace::facts(const Napi::CallbackInfo& call) {
  auto facts = Napi::Object::New(call.Env());
  const bool mounted = attached_.way == AttachWay::kernel || attached_.way == AttachWay::fusermount;
  facts.Set("way", attached_.way == AttachWay::kernel ? "kernel" : mounted ? "fusermount" : "none");
  facts.Set("mount", attached_.mount);
  facts.Set("device", std::to_string(attached_.major) + ":" + std::to_string(attached_.minor));
  facts.Set("waiting", session_ ? static_cast<double>(session_->flights().count()) : 0);
  facts.Set("keptBytes", session_ ? static_cast<double>(session_->known().bytes()) : 0);
  return facts;
}

}  // namespace cairn
