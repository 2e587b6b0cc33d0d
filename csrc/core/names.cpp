// The names of the public enumerations, from their lists.
#include <cstddef>
#include <string>
#include <vector>

#include "core/checks.hpp"
#include "core/utf8.hpp"
#include "descend/activation.hpp"
#include "descend/initializer.hpp"
#include "descend/loss.hpp"
#include "descend/stop.hpp"

namespace descend {

namespace {

template <class Enum>
Enum parse(const char* kind, const std::string& name, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  throw core::invalid("unknown ", kind, " ", core::quoted(name), "; known: ", core::listed(names),
                      ".");
}

}  // namespace

#define DESCEND_ROW(name, detail) #name,
std::vector<std::string> activation_names() { return {DESCEND_ACTIVATIONS(DESCEND_ROW)}; }
std::vector<std::string> loss_names() { return {DESCEND_LOSSES(DESCEND_ROW)}; }
#undef DESCEND_ROW
#define DESCEND_ROW(name) #name,
std::vector<std::string> initializer_names() { return {DESCEND_INITIALIZERS(DESCEND_ROW)}; }

std::string name(StopReason reason) {
  static const std::vector<std::string> names = {DESCEND_STOP_REASONS(DESCEND_ROW)};
  return names[static_cast<std::size_t>(reason)];
}

#undef DESCEND_ROW

std::string name(Activation activation) {
  return activation_names()[static_cast<std::size_t>(activation)];
}
std::string name(Loss loss) { return loss_names()[static_cast<std::size_t>(loss)]; }
std::string name(Initializer initializer) {
  return initializer_names()[static_cast<std::size_t>(initializer)];
}

Activation parse_activation(const std::string& name) {
  return parse<Activation>("activation", name, activation_names());
}
Loss parse_loss(const std::string& name) { return parse<Loss>("loss", name, loss_names()); }
Initializer parse_initializer(const std::string& name) {
  return parse<Initializer>("initializer", name, initializer_names());
}

bool derivative_needs_z(Activation activation) {
  enum class From { a, z };
#define DESCEND_ROW(name, from) From::from,
  constexpr From kFrom[] = {DESCEND_ACTIVATIONS(DESCEND_ROW)};
#undef DESCEND_ROW
  return kFrom[static_cast<std::size_t>(activation)] == From::z;
}

TargetKind target_kind(Loss loss) {
#define DESCEND_ROW(name, kind) TargetKind::kind,
  constexpr TargetKind kKinds[] = {DESCEND_LOSSES(DESCEND_ROW)};
#undef DESCEND_ROW
  return kKinds[static_cast<std::size_t>(loss)];
}

}  // namespace descend
