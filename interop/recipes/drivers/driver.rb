# Gives tokens to a recipe.
require_relative "recipe"

$stdout.sync = true
while (token = $stdin.gets)
  begin
    puts "ok #{verify(token.strip)["sub"]}"
  rescue => e
    puts "no #{e.message.tr("\n", " ")}"
  end
end
