/** Run a scenario with the arguments that the test gave, and print what it answers as JSON. */
export async function scenario(play) {
  console.log(JSON.stringify(await play(JSON.parse(process.argv[2]))));
  process.exit(0);
}
