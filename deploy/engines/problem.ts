// What keeps the harness from doing what it was asked, in words for whoever asked; without a stack.

export class EngineProblem extends Error {
  override readonly name = 'EngineProblem';
}
