"""Words with two meanings, and four sentences for each meaning.

The sentences of a word share no other telling word, whatever their meaning, so that a pair of one meaning has as
little in common as a pair of two. `{n}` is a name, `{t}` a town, `{d}` a day.
"""

SENSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bat": (
        (
            "A bat flew out of the cave near {t}.",
            "{n} saw a bat that hung upside down.",
            "The bat hunted insects on {d} night.",
            "With its black wings the bat scared {n}.",
        ),
        (
            "{n} hit the ball with a bat.",
            "The player from {t} broke his bat.",
            "On {d} the team got a new bat.",
            "{n} gripped the wooden bat and waited for the throw.",
        ),
    ),
    "bank": (
        (
            "{n} sat on the bank of the river.",
            "The boat reached the bank near {t}.",
            "On {d} the water rose over the bank.",
            "Ducks rest on the muddy bank where {n} fishes.",
        ),
        (
            "{n} keeps her money at the bank.",
            "The bank in {t} gave a loan.",
            "On {d} the bank counts its gold.",
            "{n} opened an account at the bank.",
        ),
    ),
    "ring": (
        (
            "{n} wears a silver ring on her finger.",
            "The jeweller in {t} sold a ring.",
            "At the wedding on {d} the ring was lost.",
            "A ring with a diamond belongs to {n}.",
        ),
        (
            "{n} heard the ring of the telephone.",
            "With a loud ring the alarm woke {t}.",
            "On {d} the ring of the school bell was late.",
            "At the first ring {n} opened the door.",
        ),
    ),
    "bark": (
        (
            "The bark of the dog woke {n}.",
            "A loud bark scared the postman of {t}.",
            "On {d} a bark came from the kennel.",
            "With an angry bark the puppy ran to {n}.",
        ),
        (
            "The bark of the oak is thick in {t}.",
            "{n} cut her name into the bark.",
            "On {d} beetles ate the bark of the pine.",
            "The trunk near {n} has lost its bark.",
        ),
    ),
    "crane": (
        (
            "A crane flew over the lake of {t}.",
            "{n} saw a crane with long grey feathers.",
            "On {d} the crane laid two eggs.",
            "The crane caught a frog near {n}.",
        ),
        (
            "A crane lifted the steel for the new tower of {t}.",
            "{n} drives the crane at the harbour.",
            "On {d} the builders used a crane.",
            "The crane carried the heavy bricks to {n}.",
        ),
    ),
    "mouse": (
        (
            "The cat of {n} caught a mouse.",
            "A mouse ate the cheese in {t}.",
            "On {d} a mouse ran into its hole.",
            "{n} heard a mouse squeak under the floor.",
        ),
        (
            "{n} clicked with the mouse.",
            "The computer in {t} needs a new mouse.",
            "On {d} the cable of the mouse broke.",
            "{n} moved the mouse to open a file.",
        ),
    ),
    "seal": (
        (
            "A seal swam in the cold sea off {t}.",
            "{n} fed the seal at the zoo.",
            "On {d} a seal lay on the ice.",
            "The seal dived for fish in front of {n}.",
        ),
        (
            "{n} broke the seal of the letter.",
            "The king of {t} put his seal on the paper.",
            "On {d} the judge checked the seal in red wax.",
            "The contract of {n} needs an official seal.",
        ),
    ),
    "club": (
        (
            "{n} joined a chess club.",
            "The football club of {t} won the cup.",
            "On {d} the club elected a new president.",
            "The members of the club like {n}.",
        ),
        (
            "{n} swung the club like a hammer.",
            "The cave man near {t} held a heavy club.",
            "On {d} the guard hit the thief with a club.",
            "{n} carved a club out of oak to fight the wolf.",
        ),
    ),
    "match": (
        (
            "{n} lit the candle with a match.",
            "A match set fire to the barn in {t}.",
            "On {d} the last match in the box got wet.",
            "The match burned the thumb of {n}.",
        ),
        (
            "{n} lost the tennis match.",
            "The match between {t} and its rivals was a draw.",
            "On {d} many fans watched the match.",
            "The referee ended the match early for {n}.",
        ),
    ),
    "nail": (
        (
            "{n} hit the nail with a hammer.",
            "A rusty nail stuck in the fence of {t}.",
            "On {d} the picture fell from its nail.",
            "The carpenter gave {n} a long nail for the board.",
        ),
        (
            "{n} painted the nail of her thumb.",
            "The doctor in {t} looked at the sore nail on the toe.",
            "On {d} a nail of her left hand broke.",
            "When {n} is nervous, he bites a nail.",
        ),
    ),
    "palm": (
        (
            "{n} held the coin in her palm.",
            "The fortune teller of {t} read the palm.",
            "On {d} a splinter hurt his palm.",
            "The palm and the fingers of {n} were dirty.",
        ),
        (
            "{n} sat in the shade of a palm.",
            "A palm grows on the beach of {t}.",
            "On {d} a coconut fell from the palm.",
            "The leaves of the palm hide the monkey from {n}.",
        ),
    ),
    "pen": (
        (
            "{n} wrote the letter with a pen.",
            "The ink in the pen from {t} is blue.",
            "On {d} the pupil forgot his pen.",
            "To sign the paper {n} took a pen.",
        ),
        (
            "The pigs of {n} sleep in a pen.",
            "A farmer near {t} built a pen for sheep.",
            "On {d} the goats broke out of the pen.",
            "{n} closed the gate of the pen behind the cows.",
        ),
    ),
    "spring": (
        (
            "In spring {n} plants flowers.",
            "After the winter {t} waits for spring.",
            "On {d} the first warm day of spring began.",
            "The birds of {n} come back in spring.",
        ),
        (
            "{n} mended the spring in the old sofa.",
            "A metal spring fell out of the clock of {t}.",
            "On {d} the spring of the toy snapped.",
            "The mattress of {n} has a broken spring.",
        ),
    ),
    "star": (
        (
            "{n} saw a bright star in the sky.",
            "A star shone over {t} at midnight.",
            "On {d} we looked at a star through the telescope.",
            "The sailor {n} found the way by a star.",
        ),
        (
            "{n} is the star of the new film.",
            "A famous star signed photos in {t}.",
            "On {d} the star sang on the stage.",
            "The fans of {n} followed the star to the hotel.",
        ),
    ),
    "trunk": (
        (
            "The elephant of {n} drank with its trunk.",
            "At the zoo in {t} a grey trunk took the banana.",
            "On {d} the animal sprayed water from its trunk.",
            "With the trunk it lifted {n} onto its back.",
        ),
        (
            "{n} packed her clothes in a trunk.",
            "An old trunk full of letters stood in the attic in {t}.",
            "On {d} the traveller locked his trunk.",
            "The key of the trunk was lost by {n}.",
        ),
    ),
    "wave": (
        (
            "A wave turned over the boat of {n}.",
            "The storm sent a wave over the beach of {t}.",
            "On {d} the surfer caught a wave.",
            "In the sea {n} dived under a wave.",
        ),
        (
            "{n} said goodbye with a wave.",
            "With a wave of her hand the queen greeted {t}.",
            "On {d} the driver gave a friendly wave from the train.",
            "{n} smiled and answered with a wave.",
        ),
    ),
    "date": (
        (
            "{n} ate a sweet date.",
            "A date from the market of {t} has a hard stone inside.",
            "On {d} the baker put a date into the cake.",
            "The dried date was sticky, said {n}.",
        ),
        (
            "{n} wrote the date on the letter.",
            "The date of the meeting in {t} is in the calendar.",
            "On {d} the teacher asked for the date of the battle.",
            "{n} forgot the date of the exam.",
        ),
    ),
    "bow": (
        (
            "{n} shot an arrow with a bow.",
            "The hunter from {t} carried a bow.",
            "On {d} the archer made a new bow.",
            "Before the fight {n} bent the bow.",
        ),
        (
            "{n} tied a red bow in her hair.",
            "The present from {t} had a pink bow.",
            "On {d} the girl wore a silk bow on her dress.",
            "A bow of ribbon held the curls of {n}.",
        ),
    ),
    "letter": (
        (
            "{n} put a stamp on the letter.",
            "A letter for {t} lay in the post office.",
            "On {d} the letter came in a blue envelope.",
            "In a long letter {n} thanked her aunt.",
        ),
        (
            "The name {n} starts with a big letter.",
            "Write {t} with a capital letter.",
            "On {d} the child learned the letter B.",
            "{n} spelled the word and missed a letter.",
        ),
    ),
    "key": (
        (
            "{n} opened the lock with a key.",
            "The key to the gate of {t} is rusty.",
            "On {d} the key of the car was lost.",
            "The front door of {n} needs a new key.",
        ),
        (
            "{n} pressed a black key of the piano.",
            "The pianist from {t} hit the wrong key.",
            "On {d} a white key of the organ got stuck.",
            "The melody of {n} begins on the lowest key.",
        ),
    ),
    "plant": (
        (
            "{n} waters the plant every day.",
            "A rare plant grows in the forest of {t}.",
            "On {d} the plant had its first flower.",
            "The green leaves of the plant fell on {n}.",
        ),
        (
            "{n} works at a plant that makes steel.",
            "The chemical plant in {t} hired workers.",
            "On {d} the smoke from the plant was dark.",
            "The boss of the car plant paid {n}.",
        ),
    ),
    "scale": (
        (
            "{n} stood on the scale to check her weight.",
            "The grocer in {t} put apples on the scale.",
            "On {d} the scale showed two kilos.",
            "The nurse weighed the baby of {n} on a scale.",
        ),
        (
            "{n} pulled a scale off the fish.",
            "The snake of {t} lost a shiny scale.",
            "On {d} the dragon in the tale had a golden scale.",
            "Each scale of the lizard was green, said {n}.",
        ),
    ),
    "tie": (
        (
            "{n} wears a suit and a tie.",
            "The waiter in {t} spilled soup on his tie.",
            "On {d} the banker bought a silk tie.",
            "A striped tie hangs around the neck of {n}.",
        ),
        (
            "The game of {n} ended in a tie.",
            "Both teams from {t} scored twice for a tie.",
            "On {d} the vote was a tie.",
            "After the race {n} spoke of a tie for first place.",
        ),
    ),
    "chest": (
        (
            "{n} felt a pain in his chest.",
            "The doctor in {t} listened to the chest.",
            "On {d} the soldier was shot in the chest.",
            "With crossed arms over the chest {n} took a deep breath.",
        ),
        (
            "{n} found a chest full of gold.",
            "The pirates hid the chest on an island near {t}.",
            "On {d} a chest with old coins was dug up.",
            "The lid of the oak chest is heavy for {n}.",
        ),
    ),
    "jam": (
        (
            "{n} put jam on her bread.",
            "The strawberry jam from {t} is sweet.",
            "On {d} the cook filled a jar with jam.",
            "For breakfast {n} eats toast and jam.",
        ),
        (
            "{n} was stuck in a traffic jam.",
            "The bus to {t} stood in a jam for an hour.",
            "On {d} an accident caused a jam on the road.",
            "Hundreds of cars were in the jam with {n}.",
        ),
    ),
    "fan": (
        (
            "{n} is a fan of the singer.",
            "A loud fan from {t} cheered for the team.",
            "On {d} a fan asked the actor for a photo.",
            "Every fan in the stadium knows {n}.",
        ),
        (
            "{n} turned on the fan because it was hot.",
            "The electric fan in {t} cools the room.",
            "On {d} the blades of the fan stopped.",
            "In the summer heat {n} held a paper fan.",
        ),
    ),
    "file": (
        (
            "{n} smoothed the metal with a file.",
            "The prisoner of {t} cut the bars with a file.",
            "On {d} the smith lost his file in the workshop.",
            "To sharpen the saw {n} used a rough file.",
        ),
        (
            "{n} saved the file on the computer.",
            "The police in {t} have a file on the thief.",
            "On {d} the secretary copied the file.",
            "Under her name {n} found a file with old bills.",
        ),
    ),
    "note": (
        (
            "{n} sang a high note.",
            "The last note of the song of {t} is long.",
            "On {d} the violin played a wrong note.",
            "Every note of the tune was clear to {n}.",
        ),
        (
            "{n} left a note on the fridge.",
            "A short note told the way to {t}.",
            "On {d} the boss found a note on her desk.",
            "Please read the note that {n} wrote.",
        ),
    ),
}
