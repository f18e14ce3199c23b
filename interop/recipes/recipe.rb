# Runs a recipe of docs/clients.md: see main.go.
require "json"
load ARGV[0]

accepted = JSON.parse($stdin.read).map do |token|
  verify(token)["sub"].start_with?("user_")
rescue StandardError => error
  warn error.inspect
  false
end
puts JSON.generate(accepted)
