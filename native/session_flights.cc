#include "session_flights.hh"

#include <iterator>
#include <utility>

namespace cairn {

std::uint64_t Flights::begin(Flight flight) {
  flight.since = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  const std::uint64_t ticket = ++last_;
  tickets_[flight.unique] = ticket;
  flights_.emplace(ticket, std::move(flight));
  return ticket;
}

std::optional<Flight> Flights::take(std::uint64_t ticket) {
  std::lock_guard lock(mutex_);
  const auto found = flights_.find(ticket);
  if (found == flights_.end()) return std::nullopt;
  Flight flight = std::move(found->second);
  tickets_.erase(flight.unique);
  flights_.erase(found);
  return flight;
}

std::optional<Flight> Flights::look(std::uint64_t ticket) {
  std::lock_guard lock(mutex_);
  const auto found = flights_.find(ticket);
  if (found == flights_.end()) return std::nullopt;
  return found->second;
}

std::uint64_t Flights::ticketOf(std::uint64_t unique) {
  std::lock_guard lock(mutex_);
  const auto found = tickets_.find(unique);
  return found == tickets_.end() ? 0 : found->second;
}

std::vector<std::pair<std::uint64_t, std::uint32_t>> Flights::olderThan(
    std::chrono::steady_clock::time_point moment) {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<std::uint64_t, std::uint32_t>> older;
  for (const auto& [ticket, flight] : flights_) {
    if (flight.since < moment) older.emplace_back(ticket, flight.pid);
  }
  return older;
}

std::vector<Flight> Flights::takeAll() {
  std::lock_guard lock(mutex_);
  std::vector<Flight> all;
  for (auto& [ticket, flight] : flights_) all.push_back(std::move(flight));
  flights_.clear();
  tickets_.clear();
  return all;
}

std::size_t Flights::count() {
  std::lock_guard lock(mutex_);
  return flights_.size();
}

bool Outbox::post(Message message) {
  bool sleeping;
  {
    std::lock_guard lock(mutex_);
    sleeping = messages_.empty();
    messages_.push_back(std::move(message));
  }
  return !sleeping || wake_();
}

void Outbox::leave(Message message) {
  std::lock_guard lock(mutex_);
  left_.push_back(std::move(message));
}

std::vector<Message> Outbox::take() {
  std::lock_guard lock(mutex_);
  std::vector<Message> taken = std::exchange(left_, {});
  taken.insert(taken.end(), std::make_move_iterator(messages_.begin()), std::make_move_iterator(messages_.end()));
  messages_.clear();
  return taken;
}

}  // namespace cairn
